"""Scout readers: each only reads the UIDs of fobs that come to another reader later.

A tray is held to it fob by fob, or the line passes it; what it has read is announced in that order.
It has no lane, opens no session and shows no result. A UID that cannot be read is said, and the fob
is provisioned as ever.
"""

import secrets
from collections.abc import Callable, Iterable

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from kfasync.contracts.cards import News, Reader, ReaderEvent, Readers
from kfasync.core.effects import Exchange, Identified
from kfasync.core.flow import Provisioning
from kfasync.errors import KfError
from kfasync.station.desk import Desk
from kfasync.station.follower import Notice
from kfasync.station.slots import Slots, answers_to


class Scout:
    """One scout reader at work.

    Args:
        tell: told when a fob's UID cannot be read, and with an empty problem when one can be again.
    """

    def __init__(self, reader: Reader, desk: Desk, tell: Callable[[Notice], None]) -> None:
        self._reader = reader
        self._desk = desk
        self._tell = tell
        self._problem = ""
        self._placings = 0
        self._served = 0
        self._changed = anyio.Event()
        self._limiter = anyio.CapacityLimiter(1)

    def hear(self, reader: Reader, news: News) -> None:
        """Take in what happened to it, and what PC/SC calls it now."""
        self._reader = reader
        self._placings += news is News.INSERTED
        self._changed.set()
        self._changed = anyio.Event()

    async def run(self) -> None:
        """Announce fob after fob, until cancelled."""
        while True:
            while self._placings == self._served:
                await self._changed.wait()
            self._served = self._placings
            read = await self._read()
            if isinstance(read, KfError):
                self._say(f"a fob could not be read, and is not announced: {read}")
            elif self._desk.batch.is_reference(read) or self._desk.prefetch.announce(read):
                self._say("")
            else:
                self._say("too many fobs are announced already; this one is not")

    async def _read(self) -> bytes | KfError:
        result: bytes | KfError | None = None
        # Shielded: the thread waits for the card, and who is cancelled for the thread.
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._cut, self._reader)
                result = await to_thread.run_sync(self._work, limiter=self._limiter)
                tasks.cancel_scope.cancel()
        assert result is not None  # or an error has left
        return result

    async def _cut(self, reader: Reader) -> None:
        """A card that is silent for too long is cut off."""
        await anyio.sleep(self._desk.card_timeout_s)
        reader.sever()

    def _say(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            self._tell(Notice(f"scout {self._reader.name}", problem, warning=True))

    # ------------------------------------------------------------------ in the worker thread

    def _work(self) -> bytes | KfError:
        reader = self._reader
        try:
            card = reader.connect()
            try:
                # The beginning of a fob's way and no more: up to where it has said its name.
                flow = Provisioning(
                    self._desk.profile,
                    self._desk.path,
                    atr=card.atr,
                    host_challenge=secrets.token_bytes(8),
                ).run()
                effect = next(flow)
                while isinstance(effect, Exchange):
                    effect = flow.send(card.transmit(effect.command))
                flow.close()
                assert isinstance(effect, Identified)  # the first that is no command
                return effect.unit.uid
            finally:
                card.close()
        except KfError as error:
            return error
        finally:
            reader.close()


class Scouts:
    """The scout readers of a station; on the event loop.

    Args:
        names: as a configuration has them.
    """

    def __init__(
        self,
        names: Iterable[str],
        readers: Readers,
        desk: Desk,
        tell: Callable[[Notice], None],
    ) -> None:
        self._names = tuple(names)
        self._readers = readers
        self._desk = desk
        self._tell = tell
        self._slots = Slots(self._names)
        self._scouts: dict[int, Scout] = {}

    def has(self, reader: str) -> bool:
        """Whether this reader is one of them."""
        return any(answers_to(reader, name) for name in self._names)

    def hear(self, event: ReaderEvent, tasks: TaskGroup) -> bool:
        """Take in news of a reader; False when it is none of them."""
        if not self._names:
            return False
        gone = event.news is News.GONE
        slot = self._slots.leave(event.reader) if gone else self._slots.find(event.reader)
        if slot is None:
            return False
        reader = self._readers.reader(event.reader)
        if slot not in self._scouts:
            self._scouts[slot] = Scout(reader, self._desk, self._tell)
            tasks.start_soon(self._scouts[slot].run)
        self._scouts[slot].hear(reader, event.news)
        return True
