"""A library at work in this process: calls in, answers out, by seat."""

import threading
import time
from pathlib import Path
from typing import assert_never

from kfasync.errors import ProviderError, SourceUnavailableError
from kfasync.sources.provider.context import Context
from kfasync.sources.provider.library import Library
from kfasync.sources.provider.memory import Seat
from kfasync.sources.provider.wire import (
    Abort,
    Call,
    Close,
    Commit,
    Count,
    Counted,
    Done,
    Granted,
    Lease,
    Open,
    Opened,
    Refused,
    Request,
    Result,
)


class Session:
    """A library and a context of it for every seat, opened when the seat is first used.

    Every seat is used by one thread at a time. A context of its own makes a cancelled call
    nobody else's, and keeps the promise to a library that is PER_SESSION.
    """

    def __init__(self, seats: list[Seat]) -> None:
        self._chairs = [_Chair(seat) for seat in seats]
        self._library: Library | None = None
        self._config = b""

    def perform(self, seat: int, request: Request) -> Result:
        """Carry out a request, and say of an error what it was."""
        chair = self._chairs[seat]
        chair.begin(request.number)
        try:
            return self._perform(chair, request)
        except (ProviderError, SourceUnavailableError) as error:
            return Refused.of(error)
        finally:
            chair.end()

    def cancel(self, seat: int, number: int) -> None:
        """Let that request come to an end, if it is still that one's turn."""
        self._chairs[seat].cancel(number)

    def _perform(self, chair: "_Chair", request: Request) -> Result:
        began = time.monotonic()
        if isinstance(request.call, Open):
            # Its context is that of the seat; the others are made as they are needed.
            self._library = Library.load(Path(request.call.path), request.call.sha256)
            self._config = request.call.config
        if isinstance(request.call, Close):
            chair.close()
            return Done()
        if chair.context is None:
            chair.context = self._loaded().open(self._config, request.deadline_ms)
        spent_ms = int((time.monotonic() - began) * 1000)
        left_ms = max(request.deadline_ms - spent_ms, 1)
        return self._ask(chair.context, request.call, chair.seat, left_ms)

    def _ask(self, context: Context, call: Call, seat: Seat, deadline_ms: int) -> Result:
        match call:
            case Open():
                return Opened(self._loaded().facts)
            case Lease(unit):
                return Granted(context.lease(unit, seat, deadline_ms))
            case Commit(lease_id, outcome):
                context.commit(lease_id, outcome, deadline_ms)
                return Done()
            case Abort(lease_id, touched):
                context.abort(lease_id, touched, deadline_ms)
                return Done()
            case Count():
                return Counted(context.count())
            case Close():
                raise ValueError("a close needs no context")
            case _:
                assert_never(call)

    def _loaded(self) -> Library:
        if self._library is None:
            raise ValueError("no library has been opened")
        return self._library


class _Chair:
    """One seat, the context on it, and the request that is being carried out there."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.context: Context | None = None
        self._number: int | None = None
        # Held across cancel(), so that it never hits the call after the one that it is meant for.
        self._lock = threading.Lock()

    def begin(self, number: int) -> None:
        with self._lock:
            self._number = number

    def end(self) -> None:
        with self._lock:
            self._number = None

    def cancel(self, number: int) -> None:
        with self._lock:
            if self._number == number and self.context is not None:
                self.context.cancel()

    def close(self) -> None:
        context, self.context = self.context, None
        if context is not None:
            context.close()
