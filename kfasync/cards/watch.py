"""What happens on the readers: one thread that waits, and its news for the event loop.

PC/SC tells by SCardGetStatusChange (PC/SC part 5, 3.2.5), which blocks. Its state words come
from the source; everything here would do for any source that speaks in them.
"""

import math
import threading
from collections.abc import AsyncIterator, Callable
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import Protocol

import anyio
import anyio.from_thread
import anyio.to_thread

from kfasync.contracts.cards import News, ReaderEvent
from kfasync.errors import LinkError, ReaderError

# Of a state word; the low half are flags, the high half counts insertions and removals.
CHANGED = 0x0002
UNKNOWN = 0x0004
UNAVAILABLE = 0x0008
PRESENT = 0x0020

_COUNTER_SHIFT = 16
_COUNTER_MASK = 0xFFFF

# A wait is cut short by StatusSource.abort(). Where that is not certain to work, and a wait
# that began a moment after it, end by this.
_WAIT_MS = 1000
_RETRY_S = 0.5


class StatusSource(Protocol):
    """One connection to whoever knows the state of the readers, used by one thread.

    Any ReaderError or LinkError means that this connection is of no more use.
    """

    def establish(self) -> None:
        """Connect."""
        ...

    def names(self) -> list[str]:
        """The readers that are there."""
        ...

    def wait(self, known: dict[str, int], timeout_ms: int) -> dict[str, tuple[int, bytes]]:
        """Wait until a state word is not the known one, and return the new ones, with ATRs."""
        ...

    def abort(self) -> None:
        """Make this and every later call fail; from any thread."""
        ...

    def release(self) -> None:
        """Disconnect; never fails."""
        ...


@asynccontextmanager
async def watch(
    open_source: Callable[[], StatusSource],
) -> AsyncIterator[AsyncIterator[ReaderEvent]]:
    """Run a :class:`Watcher` in a thread of its own for as long as the context is open."""
    send, receive = anyio.create_memory_object_stream[ReaderEvent](math.inf)
    watcher = Watcher(open_source)

    def tell(event: ReaderEvent) -> None:
        anyio.from_thread.run_sync(send.send_nowait, event)

    async def work() -> None:
        # A limiter of its own: a watch lasts for the life of the station and would take a
        # place of the default one for good.
        await anyio.to_thread.run_sync(watcher.run, tell, limiter=anyio.CapacityLimiter(1))

    with send, receive:
        # By hand and not by `async with`, so that an error of the body leaves as itself and
        # not in an exception group.
        group = anyio.create_task_group()
        await group.__aenter__()
        group.start_soon(work)
        try:
            yield receive
        finally:
            watcher.stop()
            await group.__aexit__(None, None, None)


class Watcher:
    """The waiting thread's own: follows all readers, through as many sources as it takes."""

    def __init__(self, open_source: Callable[[], StatusSource]) -> None:
        self._open_source = open_source
        self._known: dict[str, int] = {}
        self._stopped = threading.Event()
        self._source: StatusSource | None = None

    def run(self, tell: Callable[[ReaderEvent], None]) -> None:
        """Tell the news until :meth:`stop`."""
        while not self._stopped.is_set():
            source = self._source = self._open_source()
            try:
                source.establish()
                while not self._stopped.is_set():
                    self._step(source, tell)
            except (ReaderError, LinkError):
                # The daemon is not there. A restarted one knows nothing of an old connection,
                # so a new one it is, and all readers begin anew.
                self._lose(self._known.keys(), tell)
                self._stopped.wait(_RETRY_S)
            finally:
                self._source = None
                source.release()

    def stop(self) -> None:
        """Make :meth:`run` return; from any thread."""
        self._stopped.set()
        source = self._source
        if source is not None:
            source.abort()

    def _step(self, source: StatusSource, tell: Callable[[ReaderEvent], None]) -> None:
        names = source.names()
        self._lose(self._known.keys() - set(names), tell)
        known = {name: self._known.get(name, 0) for name in names}
        for name, (state, atr) in source.wait(known, _WAIT_MS).items():
            for event in news(name, self._known.get(name), state, atr):
                tell(event)
            self._known[name] = state & ~CHANGED

    def _lose(self, names: AbstractSet[str], tell: Callable[[ReaderEvent], None]) -> None:
        for name in sorted(names):
            if standing(self._known.pop(name)) is not News.GONE:
                tell(ReaderEvent(name, News.GONE))


def standing(state: int) -> News:
    """How a reader stands, by its state word."""
    if state & (UNKNOWN | UNAVAILABLE):
        return News.GONE
    return News.INSERTED if state & PRESENT else News.EMPTY


def news(reader: str, before: int | None, after: int, atr: bytes) -> list[ReaderEvent]:
    """What happened between two state words of one reader; ``before`` is None at the start.

    Flags that only say who uses the card, or that it is mute, are no news.
    """
    then = News.GONE if before is None else standing(before)
    now = standing(after)
    events = []
    if then is News.INSERTED and now is News.INSERTED and _moves(before or 0, after) >= 2:
        # One fob left and another came, or the same one came back, between two looks.
        events.append(ReaderEvent(reader, News.EMPTY))
        then = News.EMPTY
    if now is not then:
        events.append(ReaderEvent(reader, now, atr if now is News.INSERTED else b""))
    return events


def _moves(before: int, after: int) -> int:
    return ((after >> _COUNTER_SHIFT) - (before >> _COUNTER_SHIFT)) & _COUNTER_MASK
