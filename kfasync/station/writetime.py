"""How long it takes to write a fob: for so long a lease has to be good when that begins."""

from collections import deque

ASSUMED_S = 2.0  # over NFC it is 0.6 s, and slower readers have to be thought of
_MEASURED = 100  # the fewest of which one is the slowest hundredth
_REMEMBERED = 500


class WriteTime:
    """The 99th percentile of this station's fobs, and 2 s until that has been measured.

    Thread-safe: lanes add to it.

    Attributes:
        p99_s: in seconds.
    """

    def __init__(self) -> None:
        self.p99_s = ASSUMED_S
        self._last: deque[float] = deque(maxlen=_REMEMBERED)

    def add(self, seconds: float) -> None:
        """A fob was written, from EXTERNAL AUTHENTICATE to FACTORY."""
        self._last.append(seconds)
        if len(self._last) >= _MEASURED:
            times = sorted(self._last.copy())
            self.p99_s = times[-1 - len(times) // 100]
