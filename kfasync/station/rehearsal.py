"""A rehearsal: a station on simulated readers, with somebody who places the fobs."""

from collections import deque
from collections.abc import Callable, Iterable

import anyio

from kfasync.sim.fob import SimulatedFob
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.config import LoadedConfig
from kfasync.station.events import LaneEvent, LaneState
from kfasync.station.follower import Notice, ignore
from kfasync.station.station import open_station


class Operator:
    """Places fobs on readers and takes each away when its lane is done with it."""

    def __init__(self, readers: SimulatedReaders, fobs: Iterable[SimulatedFob]) -> None:
        self._readers = readers
        self._tray = deque(fobs)
        self._stopped: set[str] = set()
        self._done = {name: anyio.Event() for name in readers.names()}

    def see(self, event: LaneEvent) -> None:
        """A lane shows its result; told on the event loop."""
        if event.state is LaneState.STOPPED:
            self._stopped.add(event.reader)
        if event.state in (LaneState.DONE, LaneState.READER_FAULT, LaneState.STOPPED):
            self._done[event.reader].set()

    async def work(self, reader: str) -> None:
        """Serve one reader until the tray is empty or its lane has stopped."""
        while self._tray and reader not in self._stopped:
            self._done[reader] = anyio.Event()
            self._readers.place(reader, self._tray.popleft())
            await self._done[reader].wait()
            self._readers.remove(reader)


async def rehearse(
    loaded: LoadedConfig,
    tell: Callable[[LaneEvent], None],
    names: Iterable[str],
    fobs: Iterable[SimulatedFob],
    notice: Callable[[Notice], None] = ignore,
) -> None:
    """Run the configured station until every fob has had its turn."""
    readers = SimulatedReaders(names)
    operator = Operator(readers, fobs)

    def tell_both(event: LaneEvent) -> None:
        tell(event)
        operator.see(event)

    async with (
        open_station(loaded, readers, tell_both, notice) as station,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(station.run)
        async with anyio.create_task_group() as hands:
            for name in readers.names():
                hands.start_soon(operator.work, name)
        tasks.cancel_scope.cancel()
