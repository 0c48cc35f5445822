"""A station: its lanes, what they share, and the news of the readers."""

import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import msgspec
from anyio import to_thread
from anyio.abc import TaskGroup

from kfasync.contracts.cards import News, ReaderEvent, Readers
from kfasync.contracts.sources import SetAside
from kfasync.errors import KfError, LaneError, LinkError, ReaderError, StoppedError
from kfasync.ledger.attempts import Unfinished
from kfasync.ledger.latency import Commits
from kfasync.model import ContentState
from kfasync.station import slotfile
from kfasync.station.advice import key_of_error
from kfasync.station.attempt import Conclusion
from kfasync.station.batch import Check
from kfasync.station.config import LoadedConfig
from kfasync.station.decisions import Decisions
from kfasync.station.desk import Desk
from kfasync.station.display import Why
from kfasync.station.follower import Notice, ignore
from kfasync.station.inspector import Inspector
from kfasync.station.lane import Lane
from kfasync.station.prefetch import Figures
from kfasync.station.quota import Quota, Tally
from kfasync.station.scout import Scouts
from kfasync.station.slots import Slots


class Stock(msgspec.Struct, frozen=True):
    """What a station has left, and what it has still to tell.

    Attributes:
        content: containers that are free; None where somebody else keeps the pool.
        outbox: ends that the source has not heard yet.
        unfinished: fobs that are half written and to be placed again.
        commits: how long writers of the ledger have waited for the disk.
        checks: the check list; empty where no batch waits for it.
    """

    content: int | None = None
    outbox: int = 0
    unfinished: int = 0
    commits: Commits = Commits()
    checks: tuple[Check, ...] = ()


class Station:
    """Readers in, outcomes out."""

    def __init__(
        self,
        desk: Desk,
        readers: Readers,
        notice: Callable[[Notice], None] = ignore,
        slots: Path | None = None,
    ) -> None:
        self._desk = desk
        self._readers = readers
        self._notice = notice
        self._slots = slots
        self._lanes: dict[int, Lane] = {}

    @property
    def lanes(self) -> list[Lane]:
        """The lanes so far, by their slots."""
        return [self._lanes[slot] for slot in sorted(self._lanes)]

    @property
    def decisions(self) -> Decisions:
        """What a person may decide while it runs."""
        return Decisions(self._desk)

    def inspector(self, loaded: LoadedConfig) -> Inspector:
        """Who goes through its check list."""
        return Inspector(loaded, self._desk, self._readers, self._notice)

    def unfinished(self) -> list[Unfinished]:
        """Fobs that an earlier run left half-written, and that are to be placed again."""
        return self._desk.ledger.unfinished()

    def set_aside(self) -> list[SetAside]:
        """Containers that are not issued, and why: damaged, or the same as another one."""
        return self._desk.ledger.aside()

    def stock(self) -> Stock:
        """What is left; blocks, so not on the event loop."""
        ledger, remote = self._desk.ledger, self._desk.source.facts.remote
        return Stock(
            None if remote else ledger.counts()[ContentState.FREE],
            sum(one.due for one in ledger.outbox.waiting()),
            len(ledger.unfinished()),
            ledger.commits(),
            self._desk.batch.checks() if self._desk.batch.gated else (),
        )

    def announce(self, uid: bytes) -> bool:
        """A fob with this UID is to come: its lease is fetched ahead. On the event loop.

        In the order of coming, as far as that is known; a fob that never comes, or is there
        already, does no harm. False when more are announced than anybody could provision.
        """
        if self._desk.batch.is_reference(uid):
            return True  # it gets no lease, neither then nor now
        return self._desk.prefetch.announce(uid)

    def prefetched(self) -> Figures:
        """How the fetching ahead is getting on."""
        return self._desk.prefetch.figures()

    def resume(self, slot: int) -> None:
        """A person says that a stopped lane goes on; on the event loop.

        Raises:
            LaneError: there is no such lane, or it is not stopped.
        """
        lane = self._lanes.get(slot)
        if lane is None:
            there = ", ".join(map(str, sorted(self._lanes))) or "none yet"
            raise LaneError(f"there is no lane {slot}; lanes of this station: {there}")
        if not lane.resume():
            raise LaneError(f"lane {slot} is not stopped")

    async def run(
        self,
        names: tuple[str, ...] = (),
        fobs: int | None = None,
        *,
        scouts: tuple[str, ...] = (),
    ) -> Tally:
        """Work on these readers, or on every reader there is, until cancelled.

        Cancelled, it begins nothing new: a fob that has not been written to is given up, and one
        that is being written is finished first. A lane begins with the first news of its reader,
        so that readers may come later; one that comes back has its lane again.

        Args:
            names: one for each lane: the reader's name, with or without the numbers at its end, or
                its serial number.
            fobs: return after that many results; also when no lane is left that could bring one,
                because all whose readers are there have stopped.
            scouts: readers, named in the same way, that only read the UIDs of fobs to come.
        """
        quota, kept = Quota(fobs), await self._slots_before() if not names else []
        slots = Slots(names, kept)
        scouting = Scouts(scouts, self._readers, self._desk, self._notice)
        if not names:
            await self._number_those_there(slots, scouting)
            kept = await self._keep_slots(slots, kept)
        async with self._followed() as tasks, self._readers.watch() as news:
            if fobs is not None:
                tasks.start_soon(self._end_of, quota, tasks.cancel_scope)
            async for event in news:
                if scouting.hear(event, tasks):
                    continue
                lane = self._lane_of(event, slots, quota, tasks)
                if lane is not None:
                    lane.hear(event.news)
                    quota.look()
                if not names:
                    kept = await self._keep_slots(slots, kept)
        return quota.tally

    async def provision(
        self, name: str, timeout_s: float, stop: anyio.CancelScope | None = None
    ) -> Conclusion | KfError:
        """One fob on one reader: the one that is there, or the next one that is placed.

        Args:
            name: the reader; "" for the only one there is.
            timeout_s: how long to wait for a fob.
            stop: cancelled by a person. A fob that is being written is finished all the same.

        Raises:
            ReaderError: there is no such reader, or no one to choose.
            LinkError: no fob was placed in time.
            StoppedError: it was stopped before there was anything to finish.
        """
        name = _the_reader(name, await to_thread.run_sync(self._readers.names))
        lane = self._lanes[1] = Lane(1, self._readers.reader(name), self._desk)
        result: Conclusion | KfError | None = None
        async with self._followed() as tasks:
            tasks.start_soon(self._listen, lane, name)
            with stop or anyio.CancelScope() as stop:
                with anyio.move_on_after(timeout_s) as waiting:
                    await lane.placed()
                if not waiting.cancelled_caught:
                    result = await lane.provision_next()
            tasks.cancel_scope.cancel()
        # Not inside, where it would leave as an ExceptionGroup.
        if result is None and stop.cancel_called:
            raise StoppedError("stopped before a fob was written to")
        if result is None:
            raise LinkError(f"no fob was placed on reader {name} within {timeout_s:g} s")
        return result

    @asynccontextmanager
    async def _followed(self) -> AsyncIterator[TaskGroup]:
        """A task group for lanes and followers; at its end the followers catch up once more."""
        try:
            async with anyio.create_task_group() as tasks:
                for follower in self._desk.followers:
                    tasks.start_soon(follower.run)
                await tasks.start(self._desk.fetches.run)
                tasks.start_soon(self._desk.prefetch.run)
                yield tasks
        finally:
            for lane in self._lanes.values():
                lane.close()
            with anyio.CancelScope(shield=True):
                for follower in self._desk.followers:
                    await follower.catch_up()

    async def _listen(self, lane: Lane, name: str) -> None:
        async with self._readers.watch() as news:
            async for event in news:
                if event.reader == name:
                    lane.hear(event.news)

    # ------------------------------------------------------------------ its lanes

    async def _number_those_there(self, slots: Slots, scouting: Scouts) -> None:
        # By name, for the order in which PC/SC found them is another one every time.
        with suppress(ReaderError):  # PC/SC may still have to come
            there = await to_thread.run_sync(self._readers.names)
            for name in sorted(there, key=lambda name: (not slots.knows(name), name)):
                if not scouting.has(name):
                    slots.find(name)

    async def _slots_before(self) -> list[str]:
        return [] if self._slots is None else await to_thread.run_sync(slotfile.read, self._slots)

    async def _keep_slots(self, slots: Slots, kept: list[str]) -> list[str]:
        """Write the slots down when they are others than those that are kept; what they are now."""
        if self._slots is not None and slots.names != kept:
            try:
                await to_thread.run_sync(slotfile.write, self._slots, slots.names)
            except OSError as error:
                problem = f"{self._slots} cannot be written ({error.strerror}); the lanes may have "
                problem += "other numbers at the next start"
                self._notice(Notice("slots", problem, warning=True))
        return slots.names

    def _lane_of(
        self, event: ReaderEvent, slots: Slots, quota: Quota, tasks: TaskGroup
    ) -> Lane | None:
        gone = event.news is News.GONE
        slot = slots.leave(event.reader) if gone else slots.find(event.reader)
        if slot is None:
            return None
        lane = self._lanes.get(slot)
        if lane is None:
            reader = self._readers.reader(event.reader)
            lane = Lane(slot, reader, self._desk, quota=quota, patient=True)
            self._lanes[slot] = lane
            tasks.start_soon(self._keep, lane, quota)
        elif lane.display.reader != event.reader:
            lane.attach(self._readers.reader(event.reader))
        return lane

    @staticmethod
    async def _keep(lane: Lane, quota: Quota) -> None:
        """A lane at work. Whatever happens to it, it is no reason for the other lanes to end."""
        while True:
            try:
                await lane.run()
            except Exception as error:
                lane.stop(fault(error))
                quota.look()

    async def _end_of(self, quota: Quota, scope: anyio.CancelScope) -> None:
        def over() -> bool:
            # One whose reader has gone has not stopped, and might bring a result when it is back;
            # but nobody can say when.
            there = [lane for lane in self._lanes.values() if not lane.gone]
            return quota.filled or (bool(there) and all(lane.stopped for lane in there))

        await quota.until(over)
        scope.cancel()


def fault(error: BaseException) -> Why:
    """A fault of this software in a sentence; its own text may quote anything, and is not shown."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, KfError):
        return Why(str(error), key_of_error(error))
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return Why(
        f"a fault of this software ({type(error).__name__}{where}); resume the lane, and report it",
        key_of_error(error),
    )


def _the_reader(name: str, present: list[str]) -> str:
    if name in present:
        return name
    if not present:
        raise ReaderError("PC/SC sees no reader; plug one in")
    there_are = f"there are: {', '.join(present)}"
    if name:
        raise ReaderError(f"there is no reader {name!r}; {there_are}")
    if len(present) > 1:
        raise ReaderError(
            f"there is more than one reader; name one with --reader, or work on all of them with "
            f"`kfasync run`; {there_are}"
        )
    return present[0]
