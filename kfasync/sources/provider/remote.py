"""A worker process, seen from the station: what it is asked, and what comes back."""

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Self, TypeVar

from kfasync.errors import ProviderError, SourceError, SourceUnavailableError
from kfasync.sources.provider.abi import CANCEL_AFTER_S, KILL_AFTER_S
from kfasync.sources.provider.memory import Arena, Seat
from kfasync.sources.provider.process import Process
from kfasync.sources.provider.wire import (
    READY,
    Answer,
    Call,
    Cancel,
    Close,
    Open,
    Refused,
    Request,
    Result,
    Wire,
)

T = TypeVar("T")

STARTING_S = 20.0  # an interpreter starts in 0.1 s; this is for a machine that swaps
CLOSING_S = 2.0
ENDING_S = 0.2  # between the end of a connection and that of its process


class LostError(Exception):
    """A worker ended before it had answered. Never leaves this package.

    Attributes:
        cause: what is to be said of it, beginning with a verb.
        guilty: it was this call and no other; otherwise it is asked again, alone.
    """

    def __init__(self, cause: str, *, guilty: bool) -> None:
        super().__init__(cause)
        self.cause = cause
        self.guilty = guilty


class Worker:
    """One process; calls on different seats may run at the same time.

    Attributes:
        proven: it has answered more than the request to load the library.
    """

    def __init__(
        self, process: Process, arena: Arena, control: socket.socket, streams: list[socket.socket]
    ) -> None:
        self._process = process
        self._arena = arena
        self._control = Wire(control, Cancel)
        self._wires = [Wire(stream, Answer) for stream in streams]
        self._lock = threading.Lock()
        self._calls: dict[int, _Flight] = {}  # by seat
        self._number = READY
        self._closed = False
        self._opened: set[int] = set()
        self.proven = False

    @classmethod
    def spawn(cls, seats: int, *, lock: bool) -> Self:
        """Start a process that has no library yet; it is ready in a tenth of a second.

        Called from one thread that lives as long as the worker is to live: with the thread
        that started it the system would end it (prctl(2), PR_SET_PDEATHSIG).

        Raises:
            SourceError: there is no memory for it, or no process.
        """
        with ExitStack() as ours, ExitStack() as theirs:
            arena, memory = Arena.create(seats, guarded=False, lock=lock)
            ours.callback(arena.close)
            theirs.callback(os.close, memory)
            streams: list[socket.socket] = []
            inherited = [memory]
            try:
                for _ in range(1 + seats):
                    one, other = socket.socketpair()
                    ours.callback(one.close)
                    theirs.callback(other.close)
                    streams.append(one)
                    inherited.append(other.fileno())
                process = Process.start(lock=lock, inherited=tuple(inherited))
            except OSError as error:
                raise SourceUnavailableError(
                    f"the process for the provider cannot be started ({error.strerror})"
                ) from error
            ours.pop_all()
        return cls(process, arena, streams[0], streams[1:])

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.alive

    def fileno(self) -> int:
        """A descriptor that can be read from when the process has ended."""
        return self._process.fileno()

    def await_ready(self) -> None:
        """Wait until the process can be asked.

        Raises:
            LostError: it does not come to that.
        """
        with self._flight(0) as flight:
            flight.number, flight.alone = READY, False  # nothing has been asked: no one is guilty
            self._answer(0, flight, STARTING_S)

    def call(
        self, seat: int, call: Call, deadline_s: float, take: Callable[[Result, Seat], T]
    ) -> T:
        """Ask, wait, and let ``take`` have the answer while the seat is still held.

        Raises:
            LostError: there is no answer, and the process is gone.
            ProviderError: the library refuses for good, or broke a rule; then the process is
                gone too.
            SourceError: the library refuses.
        """
        with self._flight(seat) as flight:
            try:
                answer = self._exchange(seat, flight, call, deadline_s)
                self.proven = self.proven or not isinstance(call, Open)
                if isinstance(answer.result, Refused):
                    raise answer.result.error()
                return take(answer.result, self._arena.seats[seat])
            except ProviderError as error:
                if error.code is None:
                    self.retire("was ended by the station")
                raise
            finally:
                self._arena.seats[seat].secrets.wipe()

    def retire(self, cause: str = "") -> None:
        """End the process now; ``cause`` is what it did, if it did not end by itself."""
        self._process.end(cause)
        self._tidy()

    def dismiss(self) -> None:
        """Let the library close what is open, then end the process."""
        for seat in sorted(self._opened):
            if self.alive:
                try:
                    self.call(seat, Close(), CLOSING_S, lambda result, seat: None)
                except (LostError, SourceError):
                    break  # it is gone, which is what was wanted
        self.retire("was dismissed")

    # ------------------------------------------------------------------ inside

    @contextmanager
    def _flight(self, seat: int) -> Iterator["_Flight"]:
        """Keep track of which calls ran beside which others."""
        with self._lock:
            if self._closed:
                raise LostError(self._process.cause, guilty=False)
            self._number += 1
            flight = _Flight(self._number)
            self._calls[seat] = flight
            if len(self._calls) > 1:
                for other in self._calls.values():
                    other.alone = False
        try:
            yield flight
        finally:
            with self._lock:
                del self._calls[seat]
            self._tidy()

    def _exchange(self, seat: int, flight: "_Flight", call: Call, deadline_s: float) -> Answer:
        self._opened.add(seat)
        try:
            self._wires[seat].send(Request(flight.number, int(deadline_s * 1000), call))
        except OSError:
            raise self._lost(guilty=False) from None
        answer = self._answer(seat, flight, deadline_s)
        if answer.printed:
            self.retire(f"printed {answer.printed} bytes, which may be anything,")
            raise self._lost(guilty=flight.alone)
        return answer

    def _answer(self, seat: int, flight: "_Flight", deadline_s: float) -> Answer:
        try:
            return self._wait(seat, flight, deadline_s)
        except EOFError:
            raise self._lost(guilty=flight.alone) from None
        except OSError:
            # A reset: it was gone before it had read the request.
            raise self._lost(guilty=False) from None
        except ValueError:
            self.retire("wrote into the connection to the station")
            raise self._lost(guilty=flight.alone) from None

    def _wait(self, seat: int, flight: "_Flight", deadline_s: float) -> Answer:
        """The answer; the request is cancelled at its deadline, and the process soon after."""
        wire = self._wires[seat]
        cancel_at = time.monotonic() + deadline_s + CANCEL_AFTER_S
        until, told = cancel_at, False
        poll = select.poll()
        for descriptor in (wire.fileno(), self._process.fileno()):
            poll.register(descriptor, select.POLLIN)
        while True:
            ready = dict(poll.poll(max(until - time.monotonic(), 0) * 1000))
            # An answer that was written before the end counts.
            if wire.fileno() in ready:
                answer = wire.read()
                if answer is not None and answer.number != flight.number:
                    raise ValueError("an answer to another request")
                if answer is not None:
                    return answer
            elif ready:
                raise EOFError
            if time.monotonic() < until:
                continue
            if told:
                self.retire(f"did not return within {deadline_s:g} s, nor when it was told to,")
                raise self._lost(guilty=True)
            self._control.send(Cancel(seat, flight.number))
            until, told = cancel_at + KILL_AFTER_S, True

    def _lost(self, *, guilty: bool) -> LostError:
        """What is to be said of a process from which nothing more can be had."""
        # The connection ends a moment before the process does, or without it.
        self._process.await_end(ENDING_S)
        self.retire()
        return LostError(self._process.cause, guilty=guilty)

    def _tidy(self) -> None:
        """Give everything back when nobody uses it any more."""
        with self._lock:
            if self._closed or self._calls or not self._process.cause:
                return
            self._closed = True
        self._process.close()
        self._control.close()
        for wire in self._wires:
            wire.close()
        self._arena.close()


class _Flight:
    """A call that is on its way, and whether it has been the only one all the time."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.alone = True
