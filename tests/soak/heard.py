"""Heard: what the station's log says about one lane, in order."""

import threading
import time
from collections import deque

from tests.soak.process import Entry


class Heard:
    """A queue whose first entry can be waited for without taking it."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._changed = threading.Condition()

    def put(self, entry: Entry) -> None:
        with self._changed:
            self._entries.append(entry)
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Whether there is one, within that time."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._entries), seconds)

    def get(self, until_s: float) -> Entry | None:
        """Take the next one; None when none has come by then, on ``time.monotonic``."""
        with self._changed:
            if not self.wait(max(until_s - time.monotonic(), 0.0)):
                return None
            return self._entries.popleft()
