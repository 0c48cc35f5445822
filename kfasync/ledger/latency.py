"""How long those who write to the ledger wait until it is on disk, counted."""

import threading
from bisect import bisect_left

import msgspec

# Upper bounds of the buckets: a good disk is in the first, one that stops lanes in the last.
COMMIT_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Commits(msgspec.Struct, frozen=True):
    """The commits since the ledger was opened.

    Attributes:
        counts: how many in each bucket of :data:`COMMIT_BOUNDS_S`, and how many took longer.
        seconds: all of them together, with the time in the queue.
    """

    counts: tuple[int, ...] = (0,) * (len(COMMIT_BOUNDS_S) + 1)
    seconds: float = 0.0


class Latency:
    """Counts commits; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = [0] * (len(COMMIT_BOUNDS_S) + 1)
        self._seconds = 0.0

    def add(self, took_s: float) -> None:
        """Somebody has waited so long."""
        with self._lock:
            self._counts[bisect_left(COMMIT_BOUNDS_S, took_s)] += 1
            self._seconds += took_s

    def commits(self) -> Commits:
        """The counts so far."""
        with self._lock:
            return Commits(tuple(self._counts), self._seconds)
