"""One circuit breaker for all lanes: a server that is away is not asked by every one of them.

closed -> open, after some failed connections in a row -> half open: one request tries
   ^                                                            |
   +------------------------- it is answered <------------------+-> open again, for longer
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from kfasync.errors import SourceUnavailableError

FAILURES_MAX = 4  # in a row: one lane finds out within a second, four lanes at once
PAUSE_S = 0.5
PAUSE_MAX_S = 5.0  # a server that is back is noticed within that time


class Breaker:
    """Lets requests to the server through, one at a time while it is away; on the event loop.

    Args:
        tell: told why the server is away, and "" when it is back.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._failures = 0
        self._reason = ""
        self._pause_s = PAUSE_S
        self._closed_again_s = 0.0  # until then nobody asks
        self._trying = False
        self._changed: anyio.Event | None = None  # made on the loop that waits

    @property
    def is_open(self) -> bool:
        """Whether the server is taken to be away."""
        return self._failures >= FAILURES_MAX

    @asynccontextmanager
    async def request(self, until_s: float) -> AsyncIterator[None]:
        """Around one request, which may have to wait for its turn.

        Args:
            until_s: on the monotonic clock; who has not had a turn by then does not wait longer.

        Raises:
            SourceUnavailableError: the server is away, and that was the whole time.
        """
        trying = await self._turn(until_s)
        try:
            yield
        except SourceUnavailableError as error:
            self._failed(str(error))
            raise
        except Exception:
            self._answered()  # whatever it said: it is there
            raise
        else:
            self._answered()
        finally:
            if trying:
                self._trying = False
                self._wake()

    async def _turn(self, until_s: float) -> bool:
        """Wait for the turn; whether it is the one request that tries."""
        while self.is_open:
            now = time.monotonic()
            if not self._trying and now >= self._closed_again_s:
                self._trying = True
                return True
            if now >= until_s:
                raise SourceUnavailableError(self._reason)
            wake_s = until_s if self._trying else min(until_s, self._closed_again_s)
            if self._changed is None:
                self._changed = anyio.Event()
            with anyio.move_on_after(max(wake_s - now, 0.0)):
                await self._changed.wait()
        return False

    def _failed(self, reason: str) -> None:
        was_open, self._reason = self.is_open, reason
        self._failures += 1
        if self.is_open:
            self._closed_again_s = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)
            if not was_open:
                self._tell(reason)

    def _answered(self) -> None:
        was_open = self.is_open
        self._failures, self._pause_s = 0, PAUSE_S
        if was_open:
            self._tell("")
            self._wake()

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None
