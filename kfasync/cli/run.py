"""``kfasync run``: the station, all day and on all its readers."""

import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import anyio
import typer

from kfasync.cards.pcsc import PcscReaders
from kfasync.cli import signals
from kfasync.cli.lines import WORDS, Lines
from kfasync.cli.loop import Loop, LoopOption, run_on
from kfasync.cli.samples import sample_keys
from kfasync.cli.shift import Shift
from kfasync.cli.systemd import ServiceManager
from kfasync.contracts.cards import Readers
from kfasync.errors import ConfigError
from kfasync.station.config import SIMULATED, LoadedConfig, load
from kfasync.station.control import Answer, LaneLine, Request, serve
from kfasync.station.events import LaneEvent
from kfasync.station.feed import Entry, Feed
from kfasync.station.quota import Tally
from kfasync.station.rehearsal import Understudy
from kfasync.station.setup import data_directory
from kfasync.station.states import WORKING
from kfasync.station.station import Station, open_station

_STOPPED_CODE = 3  # no lane was left that could take a fob
_FAILED_CODE = 1


def run(
    config: Annotated[Path, typer.Option(help="The station's configuration.")] = Path(
        "station.toml"
    ),
    fobs: Annotated[
        int | None,
        typer.Option(min=1, help="End after so many fobs; exit 0 only when all have passed."),
    ] = None,
    loop: LoopOption = Loop.ASYNCIO,
) -> None:
    """Work on all readers until SIGINT (Ctrl-C) or SIGTERM."""
    loaded = load(config)
    names = lanes_of(loaded)
    raise typer.Exit(run_on(loop, Shop(loaded, names).run, fobs))


def lanes_of(loaded: LoadedConfig) -> list[str]:
    """The names of the configured readers; those of simulated ones are numbered.

    Raises:
        ConfigError: simulated readers stand beside real ones.
    """
    names = [lane.reader for lane in loaded.config.lane]
    simulated = names.count(SIMULATED)
    if not simulated:
        return names
    if simulated < len(names):
        raise ConfigError(
            "lane.reader",
            f"[[lane]]: {SIMULATED!r} stands beside real readers; have only the one or the other",
        )
    return [f"{SIMULATED} {number}" for number in range(1, simulated + 1)]


class Shop:
    """One run of the station, and whoever looks at it.

    Args:
        names: of the readers; none for every reader that PC/SC sees.
    """

    def __init__(self, loaded: LoadedConfig, names: list[str]) -> None:
        self._loaded = loaded
        self._names = names
        self._feed = Feed()
        self._shift = Shift()
        self._lines = Lines(lambda line: print(line, flush=True))
        self._work: anyio.CancelScope  # made on the loop that runs this
        self._understudy: Understudy | None = None
        self._manager = ServiceManager()

    async def run(self, fobs: int | None) -> int:
        """Run the station; the exit code."""
        self._work = anyio.CancelScope()
        async with anyio.create_task_group() as tasks:
            # Before anything is opened, so that no moment is left at which a signal kills.
            await tasks.start(signals.watch, self._asked_to_stop)
            # To the very end: finishing the fobs may take longer than the watchdog's patience.
            tasks.start_soon(self._manager.keep_alive)
            with self._feed.listener(self._hear, self._deaf):
                code = await self._run(fobs)
            self._say_what_was_done()
            tasks.cancel_scope.cancel()
        return code

    async def _run(self, fobs: int | None) -> int:
        tally: Tally | None = None
        async with AsyncExitStack() as parts:
            readers = self._readers(parts)
            station = await parts.enter_async_context(
                open_station(self._loaded, readers, self._tell, self._feed.publish)
            )
            self._say_what_is_unfinished(station)
            with self._work:
                async with (
                    serve(
                        data_directory(self._loaded), lambda request: self._answer(station, request)
                    ),
                    anyio.create_task_group() as tasks,
                ):
                    self._manager.tell("READY=1")
                    if self._understudy is not None:
                        tasks.start_soon(self._understudy.work)
                    tally = await station.run(tuple(self._names), fobs)
                    tasks.cancel_scope.cancel()
            if self._work.cancel_called:
                self._say_what_is_unfinished(station)
        if tally is None:
            return 0
        if tally.passed + tally.failed < (fobs or 0):
            return _STOPPED_CODE
        return _FAILED_CODE if tally.failed else 0

    def _readers(self, parts: AsyncExitStack) -> Readers:
        if not self._names or not self._names[0].startswith(SIMULATED):
            return PcscReaders()
        self._understudy = Understudy(
            self._loaded, self._names, parts.enter_context(sample_keys(self._loaded))
        )
        return self._understudy.readers

    # ------------------------------------------------------------------ what is told

    def _tell(self, event: LaneEvent) -> None:
        self._feed.publish(event)
        if self._understudy is not None:
            self._understudy.see(event)

    def _hear(self, entry: Entry) -> None:
        if isinstance(entry, LaneEvent):
            self._shift.hear(entry)
        self._lines.hear(entry)

    @staticmethod
    def _deaf(error: Exception) -> None:
        # The lanes go on without it: their results are in the ledger.
        print(f"kfasync: nothing is shown any more: {error}", file=sys.stderr)

    def _say_what_is_unfinished(self, station: Station) -> None:
        for unit in station.unfinished():
            self._lines.note(
                f"place fob {unit.uid} again: container {unit.content.fesn} belongs to it, and "
                "its writing was cut off"
            )

    def _say_what_was_done(self) -> None:
        done = self._shift
        words = f"stopped: {done.passed} passed, {done.failed} failed"
        self._lines.note(words + (f", {done.again} to come again" if done.again else ""))

    # ------------------------------------------------------------------ what is asked

    def _asked_to_stop(self) -> None:
        busy = [event for event in self._feed.lanes() if event.state in WORKING]
        waits = "; ".join(
            f"lane {event.slot} ({event.uid or 'a fob'}, {WORDS[event.state]} "
            f"{event.step}/{event.steps or '?'})"
            for event in busy
        )
        if self._work.cancel_called:
            what = f"{waits}; leave the fobs there" if busy else "what is open to be closed"
            self._lines.note(f"waiting for {what}")
            return
        self._lines.note(f"stopping: {'finishing ' + waits if busy else 'no fob is written now'}")
        self._manager.tell("STOPPING=1")
        self._work.cancel()

    def _answer(self, station: Station, request: Request) -> Answer:
        if request.resume is not None:
            station.resume(request.resume)
        return Answer(
            [
                LaneLine(event.slot, event.reader, event.state.value, event.message)
                for event in self._feed.lanes()
            ]
        )
