"""What a station has done since it was started, in a few numbers."""

import threading
import time
from collections import deque
from collections.abc import Callable

from kfasync.station.events import LaneEvent
from kfasync.station.states import LaneState

_HOUR_S = 3600.0
_MINUTE_S = 60.0


class Shift:
    """Counts results; it takes no more memory after a month than after an hour. Thread-safe.

    Attributes:
        passed, failed: results that are final for the fob.
        again: those after which the fob is to come again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.passed = 0
        self.failed = 0
        self.again = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._minutes: deque[list[float]] = deque()  # when a minute began, and passed in it

    def hear(self, event: LaneEvent) -> None:
        """Take in news of a lane."""
        if event.record is None:
            return
        with self._lock:
            match event.state:
                case LaneState.PASS:
                    self.passed += 1
                    self._add()
                case LaneState.FAIL:
                    self.failed += 1
                case _:
                    self.again += 1

    def last_hour(self) -> int:
        """How many passed in the last hour, to a minute."""
        with self._lock:
            self._forget()
            return int(sum(count for _, count in self._minutes))

    def _add(self) -> None:
        now = self._clock()
        if not self._minutes or now - self._minutes[-1][0] >= _MINUTE_S:
            self._minutes.append([now, 0])
        self._minutes[-1][1] += 1
        self._forget()

    def _forget(self) -> None:
        while self._minutes and self._clock() - self._minutes[0][0] >= _HOUR_S:
            self._minutes.popleft()
