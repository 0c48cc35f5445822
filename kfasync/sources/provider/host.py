"""The station's side of a vendor's library, in a worker process or in this one.

    ProviderHost -- Crew -- Worker ~~ another process ~~ Session -- Context     the default
    ProviderHost -- Inline ---------------------------- Session -- Context     in_process

The worker is the default: there a crash, a hang or an overflow costs one lease. In this
process a deadline is no more than a request to stop, output is not noticed, and a crash takes
the station down.
"""

import queue
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self, TypeVar

from kfasync.contracts.crypto import Vault
from kfasync.errors import ProviderError, SourceUnavailableError
from kfasync.model import Outcome, Touched, Unit
from kfasync.sources.provider.abi import Threading
from kfasync.sources.provider.context import PoolCounts
from kfasync.sources.provider.crew import Crew
from kfasync.sources.provider.inline import Inline
from kfasync.sources.provider.library import LibraryFacts
from kfasync.sources.provider.memory import Seat, require_system
from kfasync.sources.provider.parcel import Slip, Unpacked, unpack
from kfasync.sources.provider.wire import (
    Abort,
    Call,
    Commit,
    Count,
    Counted,
    Done,
    Granted,
    Lease,
    Open,
    Result,
)

T = TypeVar("T")

SEATS = 4  # calls at the same time; more lanes than that wait for a moment
DEADLINE_S = 5.0
CONFIG_MAX = 64 * 1024  # of JSON; larger things are files


class Backend(Protocol):
    """Where the library runs."""

    def facts(self) -> LibraryFacts:
        """What the library says of itself."""
        ...

    def call(
        self, seat: int, call: Call, deadline_s: float, take: Callable[[Result, Seat], T]
    ) -> T:
        """Ask the library; ``take`` has the answer while the seat is still held."""
        ...

    def close(self) -> None:
        """Let the library close."""
        ...


class ProviderHost:
    """A library that is open; thread-safe, and every call blocks.

    Attributes:
        facts: what the library says of itself, and the hash of its file.
    """

    def __init__(self, backend: Backend, deadline_s: float, seats: int) -> None:
        self._backend = backend
        self._deadline_s = deadline_s
        self.facts = backend.facts()
        # The last one that was used is taken first: its context is open already.
        self._free: queue.LifoQueue[int] = queue.LifoQueue()
        for seat in range(1 if self.facts.threading is Threading.SERIAL else seats):
            self._free.put(seat)

    @classmethod
    def open(
        cls,
        library: Path,
        sha256: str,
        config: bytes,
        *,
        deadline_s: float = DEADLINE_S,
        seats: int = SEATS,
        in_process: bool = False,
        lock_memory: bool = True,
    ) -> Self:
        """Load a library and open it.

        Args:
            config: JSON in UTF-8, the vendor's own.
            deadline_s: of every call.

        Raises:
            SourceError: it is not the library that was pinned, or does not open.
        """
        require_system()
        if len(config) > CONFIG_MAX:
            raise ProviderError(None, f"provider {library}: its configuration is too long")
        opening = Open(str(library), sha256, config)
        backend: Backend
        if in_process:
            backend = Inline(opening, seats, deadline_s, lock=lock_memory)
        else:
            backend = Crew(opening, seats, deadline_s, lock=lock_memory)
        try:
            return cls(backend, deadline_s, seats)
        except BaseException:
            backend.close()
            raise

    def lease(self, unit: Unit, vault: Vault) -> tuple[Slip, Unpacked]:
        """Content for a unit, taken over into the vault; nothing of it stays behind.

        Raises:
            SourceError: there is none, or what there is is wrong.
        """

        def take(result: Result, seat: Seat) -> tuple[Slip, Unpacked]:
            if not isinstance(result, Granted):
                raise self._other()
            return result.slip, unpack(self.facts.name, result.slip, seat, vault)

        return self._call(Lease(unit), take)

    def commit(self, lease_id: str, outcome: Outcome) -> None:
        """The unit is done, or has failed for good; may be told twice.

        Raises:
            SourceError: the library refuses, or has not heard it.
        """
        self._call(Commit(lease_id, outcome), self._done)

    def abort(self, lease_id: str, touched: Touched) -> None:
        """The attempt ended without an outcome; may be told twice.

        Raises:
            SourceError: the library refuses, or has not heard it.
        """
        self._call(Abort(lease_id, touched), self._done)

    def counts(self) -> PoolCounts | None:
        """How much content there is; None when the library does not count it.

        Raises:
            SourceError: it cannot say now.
        """

        def take(result: Result, seat: Seat) -> PoolCounts:
            if not isinstance(result, Counted):
                raise self._other()
            return result.counts

        return self._call(Count(), take) if self.facts.counts else None

    def close(self) -> None:
        """Let the library close, and end its process; may be called again."""
        self._backend.close()

    def _call(self, call: Call, take: Callable[[Result, Seat], T]) -> T:
        # The deadline begins when the call does: a library that is SERIAL is not to blame for
        # the queue before it. But a lane does not stand in that for longer either.
        try:
            seat = self._free.get(timeout=self._deadline_s)
        except queue.Empty:
            raise SourceUnavailableError(
                f"provider {self.facts.name} is busy: no call before this one has returned within "
                f"{self._deadline_s:g} s"
            ) from None
        try:
            return self._backend.call(seat, call, self._deadline_s, take)
        finally:
            self._free.put(seat)

    def _done(self, result: Result, seat: Seat) -> None:
        if not isinstance(result, Done):
            raise self._other()

    def _other(self) -> ProviderError:
        # Only a library that has written over its process's own memory comes to that.
        return ProviderError(None, f"provider {self.facts.name} answered another question")
