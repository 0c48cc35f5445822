"""Tray: the fobs that are still to be placed, and the ones that have to come back."""

import threading
from collections import deque
from collections.abc import Iterable

from tests.soak.plan import PlannedFob

PATIENCE_S = 300.0


class Tray:
    """Deals fobs to lanes; each call of :meth:`next` is answered by :meth:`done` or `again`."""

    def __init__(self, fobs: Iterable[PlannedFob], lanes: int) -> None:
        self._fresh = deque(fobs)
        self._back: list[tuple[int, PlannedFob]] = []
        self._lanes = lanes
        self._out = 0
        self._changed = threading.Condition()
        self.results = 0

    def next(self, lane: int) -> PlannedFob | None:
        """The next fob for this lane; None when no more will come. Waits."""
        with self._changed:
            while True:
                for entry in self._back:
                    if entry[0] != lane or self._lanes == 1:
                        self._back.remove(entry)
                        self._out += 1
                        return entry[1]
                if self._fresh:
                    self._out += 1
                    return self._fresh.popleft()
                if not self._out and not self._back:
                    return None
                assert self._changed.wait(PATIENCE_S), "no lane has had a result for long"

    def again(self, lane: int, fob: PlannedFob) -> None:
        """It comes back, to any lane but this."""
        with self._changed:
            self._back.append((lane, fob))
            self._out -= 1
            self._changed.notify_all()

    def done(self) -> None:
        """One will not be placed any more."""
        with self._changed:
            self._out -= 1
            self._changed.notify_all()

    def count(self) -> None:
        """There was a result."""
        with self._changed:
            self.results += 1
            self._changed.notify_all()

    def until(self, results: int, timeout_s: float) -> bool:
        """Wait for so many results, or until nothing is left; False when neither has come yet."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self.results >= results or self._is_empty(), timeout_s
            )

    def _is_empty(self) -> bool:
        return not (self._fresh or self._back or self._out)
