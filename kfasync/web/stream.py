"""Server-sent events: what has changed, to every browser at its own speed."""

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec

from kfasync.web.board import Board
from kfasync.web.view import Delta

PACE_S = 0.1  # between two events for one browser: painting is what costs most
BEAT_S = 0.5  # something is said this often
STALE_S = 2.0  # a station that has said nothing for that long hangs
_STREAMS_MAX = 24
# Between two browsers that are told everything: one that begins anew without pause costs no more.
_WHOLE_S = 0.05


class News:
    """What the station has said, and everybody who waits for more of it; on the event loop."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.ended = False
        self.streams = 0
        self._heard_s = time.monotonic()
        self._fed = False
        self._whole_s = 0.0  # when the next browser may be told everything
        self._more = asyncio.Event()

    def take(self, delta: Delta) -> None:
        """The station has said this, if only that it is alive."""
        self._heard_s, self._fed = time.monotonic(), True
        before = self.board.seq
        self.board.merge(delta)
        if delta.whole or self.board.seq != before:
            self._wake()

    def end(self) -> None:
        """The station says nothing any more."""
        self.ended = True
        self._wake()

    @property
    def full(self) -> bool:
        """Whether one more browser would be too many."""
        return self.streams >= _STREAMS_MAX

    @property
    def fed(self) -> bool:
        """Whether the station has said anything yet; what was before it is not shown."""
        return self._fed

    @property
    def stale(self) -> bool:
        """Whether the station should have said something by now."""
        return time.monotonic() - self._heard_s > STALE_S

    @property
    def hears(self) -> bool:
        """Whether the station speaks: it has said something, and goes on."""
        return self._fed and not self.ended and not self.stale

    async def turn(self) -> None:
        """Wait until one more browser may be told everything."""
        now_s = time.monotonic()
        self._whole_s = max(self._whole_s, now_s) + _WHOLE_S
        await asyncio.sleep(self._whole_s - _WHOLE_S - now_s)

    async def changed(self, timeout_s: float) -> None:
        """Wait for more, but not for longer than that."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._more.wait()
        except TimeoutError:
            return

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()


def cursor_of(last_event_id: str) -> tuple[str, int]:
    """Where a browser was; the beginning, for an id that is none of ours."""
    epoch, _, seq = last_event_id.partition("-")
    valid = epoch.isascii() and epoch.isalnum() and len(epoch) <= 32
    if valid and seq.isascii() and seq.isdigit() and len(seq) <= 15:
        return epoch, int(seq)
    return "", 0


async def events(news: News, cursor: tuple[str, int]) -> AsyncIterator[bytes]:
    """What is new since then, for as long as station and browser are there.

    Whoever does not read is not written to: there is no queue, and what they get when they read
    again is how things stand then, with every result in between.
    """
    epoch, seq = cursor
    news.streams += 1
    try:
        if news.board.since(epoch, seq).whole:
            await news.turn()
        while not news.ended:
            if news.fed and (
                epoch != (now := news.board.since(epoch, seq)).epoch or now.seq != seq
            ):
                epoch, seq = now.epoch, now.seq
                data = msgspec.json.encode(msgspec.structs.replace(now, totals=None))
                yield b"event: delta\nid: %s-%d\ndata: %s\n\n" % (epoch.encode(), seq, data)
            else:
                yield b"event: beat\ndata: %s\n\n" % (b"stale" if news.stale else b"ok")
            before = time.monotonic()
            await news.changed(BEAT_S)
            if time.monotonic() - before < PACE_S:
                await asyncio.sleep(PACE_S)
    finally:
        news.streams -= 1
