"""Patience with a library that says that it is not available: when its worker is started anew."""

import threading
import time
from collections.abc import Callable

ANSWERS = 8  # in a row: two tries of each of four calls, so that one lane alone proves little
FIRST_S = 10.0  # a connection of the library's own to be lost and found again
LONGEST_S = 600.0  # a backend that is down for a night is not asked for by a new process each time


class Patience:
    """Counts such answers; thread-safe. Each end of it is twice as far away as the one before.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wait_s = FIRST_S
        self._answers = 0
        self._since_s = 0.0

    def answered(self) -> None:
        """The library has given another answer, whichever."""
        with self._lock:
            self._wait_s, self._answers = FIRST_S, 0

    def ends(self) -> bool:
        """It is not available, once more; whether that is enough."""
        with self._lock:
            now = self._clock()
            if not self._answers:
                self._since_s = now
            self._answers += 1
            if self._answers < ANSWERS or now - self._since_s < self._wait_s:
                return False
            self._answers = 0
            self._wait_s = min(2 * self._wait_s, LONGEST_S)
            return True
