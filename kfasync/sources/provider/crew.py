"""The worker that runs the library, the spare behind it, and what happens between the two.

When a worker dies with several calls on their way, nobody knows whose fault it was. So each of
them is made once more on the next worker with nothing beside it: the guilty one fails there,
and by itself; the others are answered. They may be repeated, for the same unit gets the same
content again, and an end may be told twice.
"""

import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from kfasync.errors import ProviderError, SourceError, SourceUnavailableError
from kfasync.sources.provider.library import LibraryFacts
from kfasync.sources.provider.memory import Seat
from kfasync.sources.provider.patience import Patience
from kfasync.sources.provider.remote import LostError, Worker
from kfasync.sources.provider.wire import Call, Open, Opened, Refused, Result

T = TypeVar("T")


class Crew:
    """Keeps one worker at work for as long as it is open; thread-safe.

    Args:
        patience: with a library that says that it is not available.
    """

    def __init__(
        self,
        opening: Open,
        seats: int,
        deadline_s: float,
        *,
        lock: bool,
        patience: Patience | None = None,
    ) -> None:
        self._opening = opening
        self._seats = seats
        self._deadline_s = deadline_s
        self._lock = lock
        self._gate = _Gate()
        self._patience = patience or Patience()
        self._changed = threading.Condition()
        self._current: Worker | None = None
        self._spare: Worker | None = None
        self._failure: Refused | None = None
        self._closing = False
        self._asked = False
        self._facts: LibraryFacts | None = None
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        # Every worker is started by this thread, and ends with it.
        self._keeper = threading.Thread(target=self._keep, name="provider", daemon=True)
        self._keeper.start()

    def facts(self) -> LibraryFacts:
        """What the library says of itself; loads it where it is not loaded yet.

        Raises:
            SourceError: it cannot be loaded, or refuses to open.
        """
        self._worker()
        if self._facts is None:
            raise ValueError("an open library without facts")
        return self._facts

    def call(
        self, seat: int, call: Call, deadline_s: float, take: Callable[[Result, Seat], T]
    ) -> T:
        """Ask the library; ``take`` has the answer while the seat is still held.

        Raises:
            SourceError: it refuses, or this very call broke it.
        """
        try:
            with self._gate.beside_others():
                return self._ask(seat, call, deadline_s, take)
        except LostError as lost:
            if lost.guilty:
                raise self._error(lost, call) from None
        try:
            with self._gate.alone():
                return self._ask(seat, call, deadline_s, take)
        except LostError as lost:
            raise self._error(lost, call) from None

    def close(self) -> None:
        """Let the library close, and end the processes; may be called again."""
        with self._gate.alone():
            with self._changed:
                self._closing = True
                self._changed.notify_all()
            if self._keeper.is_alive():
                os.eventfd_write(self._wake, 1)
                self._keeper.join()
                os.close(self._wake)

    # ------------------------------------------------------------------ for the callers

    def _ask(
        self, seat: int, call: Call, deadline_s: float, take: Callable[[Result, Seat], T]
    ) -> T:
        worker = self._worker()
        try:
            answer = worker.call(seat, call, deadline_s, take)
        except SourceUnavailableError:
            # It may have lost its way to what it needs for good, and find it when it is opened
            # anew. What other lanes ask of it meanwhile is asked of the next one again.
            if self._patience.ends():
                worker.retire("was not available for so long that its process was ended")
            raise
        except SourceError:
            self._patience.answered()
            raise
        self._patience.answered()
        return answer

    def _worker(self) -> Worker:
        """The worker at work; waits while there is a new one to be made ready."""
        with self._changed:
            self._failure = None
            while not self._closing:
                if self._current is not None and self._current.alive:
                    return self._current
                if self._failure is not None:
                    raise self._failure.error()
                self._asked = True
                os.eventfd_write(self._wake, 1)
                self._changed.wait()
        raise ValueError("the provider has been closed")

    def _error(self, lost: LostError, call: Call) -> ProviderError:
        name = self._facts.name if self._facts is not None else self._opening.path
        sentence = f"provider {name} {lost.cause} during {type(call).__name__.lower()}"
        if not isinstance(call, Open):
            sentence += "; its process is started anew, place the fob again"
        return ProviderError(None, sentence)

    # ------------------------------------------------------------------ in the keeper's thread

    def _keep(self) -> None:
        try:
            while self._await_work():
                self._replace()
                if self._spare is None or not self._spare.alive:
                    with suppress(SourceError):  # who needs it tries again, and is told
                        self._spare = Worker.spawn(self._seats, lock=self._lock)
        finally:
            with self._changed:
                # On a fault of ours too: nobody is to wait for a thread that is gone.
                self._closing = True
                self._changed.notify_all()
            for worker in (self._current, self._spare):
                if worker is not None:
                    worker.dismiss()

    def _await_work(self) -> bool:
        """Whether there is something to do, or nothing ever again."""
        current = self._current
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if current is not None and current.alive:
            poll.register(current, select.POLLIN)
        poll.poll()
        with suppress(BlockingIOError):  # where the worker's end woke us, and nobody asked
            os.eventfd_read(self._wake)
        with self._changed:
            return not self._closing

    def _replace(self) -> None:
        """Put the next worker to work, unless the one there is still is.

        One that died before it had answered anything is replaced when somebody asks, so that
        a library which always dies does not keep this machine busy.
        """
        last = self._current
        if last is not None and last.alive:
            return
        with self._changed:
            asked, self._asked = self._asked, False
        if last is not None:
            last.retire()
        if not asked and (last is None or not last.proven):
            return
        worker, failure = self._begin()
        with self._changed:
            self._current, self._failure = worker, failure
            self._asked = False
            self._changed.notify_all()

    def _begin(self) -> tuple[Worker | None, Refused | None]:
        """The spare or a new worker with the library open, or else what there is to be said."""
        worker, self._spare = self._spare, None
        while True:
            was_spare = worker is not None
            try:
                worker = worker or Worker.spawn(self._seats, lock=self._lock)
                worker.await_ready()
                self._facts = worker.call(0, self._opening, self._deadline_s, Opened.expect)
            except LostError as lost:
                if lost.guilty or not was_spare:
                    return None, Refused.of(self._error(lost, self._opening))
                worker = None  # it had died while it waited
            except SourceError as error:
                if worker is not None:
                    worker.dismiss()
                return None, Refused.of(error)
            else:
                return worker, None


class _Gate:
    """Calls go through beside one another, or one goes through alone; the latter first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._waiting = 0

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._inside >= 0 and not self._waiting)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: self._inside == 0)
            self._waiting -= 1
            self._inside = -1
        try:
            yield
        finally:
            with self._changed:
                self._inside = 0
                self._changed.notify_all()
