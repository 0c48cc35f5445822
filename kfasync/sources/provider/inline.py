"""A library in the station's own process, for those who ask for it.

A deadline is no more than a request to stop, what the library prints is not noticed, and when
it crashes the station does.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from kfasync.sources.provider.library import LibraryFacts
from kfasync.sources.provider.memory import Arena, Seat
from kfasync.sources.provider.session import Session
from kfasync.sources.provider.wire import Call, Close, Open, Opened, Refused, Request, Result

T = TypeVar("T")


class Inline:
    """Calls a library from the thread that wants something of it."""

    def __init__(self, opening: Open, seats: int, deadline_s: float, *, lock: bool) -> None:
        self._arena, descriptor = Arena.create(seats, guarded=True, lock=lock)
        os.close(descriptor)  # nobody attaches to it
        self._session = Session(self._arena.seats)
        self._lock = threading.Lock()
        self._number = 0
        self._closed = False
        self._watch = _Watch(self._session.cancel)
        try:
            self._facts = self.call(0, opening, deadline_s, Opened.expect)
        except BaseException:
            self.close()
            raise

    def facts(self) -> LibraryFacts:
        """What the library says of itself."""
        return self._facts

    def call(
        self, seat: int, call: Call, deadline_s: float, take: Callable[[Result, Seat], T]
    ) -> T:
        """Ask the library; when its deadline has passed, tell it to stop, and go on waiting.

        Raises:
            SourceError: it refuses.
        """
        with self._lock:
            if self._closed:
                raise ValueError("the provider has been closed")
            self._number += 1
            request = Request(self._number, int(deadline_s * 1000), call)
        self._watch.add(seat, request.number, deadline_s)
        try:
            result = self._session.perform(seat, request)
            if isinstance(result, Refused):
                raise result.error()
            return take(result, self._arena.seats[seat])
        finally:
            self._watch.remove(seat)
            self._arena.seats[seat].secrets.wipe()

    def close(self) -> None:
        """Let the library close; may be called again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for seat in range(len(self._arena.seats)):
            self._session.perform(seat, Request(0, 0, Close()))
        self._watch.close()
        self._arena.close()


class _Watch:
    """One thread for all deadlines: a timer for each would cost more than most calls do."""

    def __init__(self, cancel: Callable[[int, int], None]) -> None:
        self._cancel = cancel
        self._changed = threading.Condition()
        self._due: dict[int, tuple[float, int]] = {}  # by seat: when, and which request
        self._until = float("inf")
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="provider", daemon=True)
        self._thread.start()

    def add(self, seat: int, number: int, deadline_s: float) -> None:
        at = time.monotonic() + deadline_s
        with self._changed:
            self._due[seat] = (at, number)
            if at < self._until:  # otherwise the thread wakes early enough by itself
                self._changed.notify()

    def remove(self, seat: int) -> None:
        with self._changed:
            self._due.pop(seat, None)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (late := self._wait()) is not None:
            for seat, number in late:
                self._cancel(seat, number)

    def _wait(self) -> list[tuple[int, int]] | None:
        """The requests whose deadline has just passed; None at the end."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                late = [(seat, number) for seat, (at, number) in self._due.items() if at <= now]
                if late:
                    for seat, _ in late:
                        del self._due[seat]
                    return late
                self._until = min((at for at, _ in self._due.values()), default=float("inf"))
                forever = self._until == float("inf")
                self._changed.wait(None if forever else self._until - now)
            return None
