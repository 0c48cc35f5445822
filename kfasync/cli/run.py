"""``kfasync run``: the station, all day and on all its readers."""

import sys
from contextlib import AsyncExitStack, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import typer
from anyio import to_thread
from rich.console import Console

from kfasync.cards.pcsc import PcscReaders
from kfasync.cli import keyboard, signals
from kfasync.cli.announced import AnnouncedFile, what_became
from kfasync.cli.asked import answer
from kfasync.cli.keyboard import ResumePrompt
from kfasync.cli.lines import Lines, Output
from kfasync.cli.logbook import Logbook
from kfasync.cli.loop import Loop, LoopOption, run_on
from kfasync.cli.samples import sample_keys
from kfasync.cli.screen import Screen
from kfasync.cli.systemd import ServiceManager
from kfasync.cli.trays import Trays
from kfasync.contracts.cards import Readers
from kfasync.errors import ConfigError, LaneError, ReaderError
from kfasync.station.advice import Language
from kfasync.station.assembly import open_station
from kfasync.station.collector import settled
from kfasync.station.config import SIMULATED, LoadedConfig, ProviderSection, load
from kfasync.station.control import serve
from kfasync.station.events import LaneEvent
from kfasync.station.feed import Entry, Feed
from kfasync.station.quota import Tally
from kfasync.station.rehearsal import Understudy
from kfasync.station.setup import certificate_days, data_directory
from kfasync.station.shift import Shift
from kfasync.station.slots import answers_to
from kfasync.station.states import WORKING
from kfasync.station.station import Station, Stock
from kfasync.station.words import Words, words_of
from kfasync.web.page import Page, open_page

_STOPPED_CODE = 3  # no lane was left that could take a fob
_FAILED_CODE = 1
LOG_NAME = "station.log"
_STOCK_S = 2.0  # between two looks at what is left: a query of the ledger each


def run(
    config: Annotated[Path, typer.Option(help="The station's configuration.")] = Path(
        "station.toml"
    ),
    fobs: Annotated[
        int | None,
        typer.Option(min=1, help="End after so many fobs; exit 0 only when all have passed."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="Write a log to this file; it is rotated at 10 MB, and 5 are kept."),
    ] = None,
    log_json: Annotated[
        bool,
        typer.Option("--log-json", help="The log as JSON lines; default: station.log in data_dir."),
    ] = False,
    language: Annotated[
        Language | None,
        typer.Option(help="Of the board and of the advice; default: the configured one."),
    ] = None,
    announce: Annotated[
        Path | None,
        typer.Option(
            help="UIDs of fobs to come, one a line, in their order; - for standard input."
        ),
    ] = None,
    trays: Annotated[
        Path | None,
        typer.Option(help="The same from files in this directory, which are deleted when read."),
    ] = None,
    loop: LoopOption = Loop.ASYNCIO,
) -> None:
    """Work on all readers until SIGINT (Ctrl-C) or SIGTERM."""
    loaded = load(config)
    names = lanes_of(loaded)
    words = words_of(language or Language(loaded.config.station.language))
    shop = Shop(loaded, names, words)
    if log is not None or log_json:
        shop.log_to(log or data_directory(loaded) / LOG_NAME, as_json=log_json)
    shop.trays = Trays(trays) if trays is not None else None
    with AnnouncedFile(announce) if announce is not None else nullcontext() as announced:
        shop.announced = announced
        raise typer.Exit(run_on(loop, shop.run, fobs))


def lanes_of(loaded: LoadedConfig) -> list[str]:
    """The names of the configured readers; those of simulated ones are numbered.

    Raises:
        ConfigError: simulated readers stand beside real ones, or before a vendor's library.
    """
    names = list(loaded.config.lanes)
    simulated = names.count(SIMULATED)
    if not simulated:
        return names
    if simulated < len(loaded.config.lane):
        raise ConfigError(
            "lane.reader",
            f"[[lane]]: {SIMULATED!r} stands beside real readers; have only the one or the other",
        )
    if isinstance(loaded.config.source, ProviderSection):
        # The keys of a simulated fob are the library's, and it would have to be open twice.
        raise ConfigError(
            "lane.reader",
            "[[lane]]: a station with a vendor's library is rehearsed fob by fob, with "
            "`kfasync provision --reader simulated`",
        )
    return [f"{SIMULATED} {number}" for number in range(1, simulated + 1)]


def view(shift: Shift, words: Words) -> Lines | Screen:
    """The board, or lines where there is no terminal that could show one."""
    console = Console()
    if console.is_terminal and not console.is_dumb_terminal:
        return Screen(console, shift, words)
    return Lines(Output().write, words)


def unfinished(station: Station, words: Words) -> list[str]:
    """What is to be said of each fob that is half written."""
    return [words.place_again.format(unit.uid, unit.content.fesn) for unit in station.unfinished()]


class Shop:
    """One run of the station, and whoever looks at it.

    Args:
        names: of the readers; none for every reader that PC/SC sees.

    Attributes:
        announced, trays: where fobs to come are announced, if they are.
    """

    def __init__(self, loaded: LoadedConfig, names: list[str], words: Words) -> None:
        self.announced: AnnouncedFile | None = None
        self.trays: Trays | None = None
        self._words = words
        self._loaded = loaded
        self._names = names
        self._feed = Feed()
        self._shift = Shift()
        self._view = view(self._shift, words)
        self._work: anyio.CancelScope  # made on the loop that runs this
        self._understudy: Understudy | None = None
        self._left: list[str] = []  # what is said of it at the end
        self._logbook: Logbook | None = None
        self._manager = ServiceManager()
        self._page: Page | None = None

    def log_to(self, path: Path, *, as_json: bool) -> None:
        """Keep a log of this run; ConfigError when it cannot be written."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._logbook = Logbook(path, self._loaded.config.station.id, as_json=as_json)

    async def run(self, fobs: int | None) -> int:
        """Run the station; the exit code."""
        self._work = anyio.CancelScope()
        async with anyio.create_task_group() as tasks:
            # Before anything is opened, so that no moment is left at which a signal kills.
            await tasks.start(signals.watch, self._asked_to_stop)
            # To the very end: finishing the fobs may take longer than the watchdog's patience.
            tasks.start_soon(self._manager.keep_alive)
            with ExitStack() as watching:
                if self._logbook is not None:
                    hear = watching.enter_context(self._logbook).hear
                    watching.enter_context(self._feed.listener(hear, self._unlogged))
                watching.enter_context(self._view)
                watching.enter_context(self._feed.listener(self._hear, self._deaf))
                code = await self._run(fobs)
            for sentence in [*self._left, self._what_was_done()]:
                self._view.note(sentence)
            tasks.cancel_scope.cancel()
        return code

    async def _run(self, fobs: int | None) -> int:
        tally: Tally | None = None
        async with AsyncExitStack() as parts:
            readers = self._readers(parts)
            station = await parts.enter_async_context(
                open_station(self._loaded, readers, self._tell, self._feed.publish, gated=True)
            )
            # After the station, which has the data directory to itself by now.
            self._page = parts.enter_context(
                open_page(self._loaded, self._words.language, self._feed)
            )
            if self._page is not None:
                self._view.note(self._words.page.format(self._page.url))
            for sentence in [
                *unfinished(station, self._words),
                *await to_thread.run_sync(self._missing, readers),
            ]:
                self._view.note(sentence)
            inspector = station.inspector(self._loaded)
            with settled(), self._work:
                if self._loaded.config.shift is not None:
                    await inspector.look("start")
                async with (
                    serve(
                        data_directory(self._loaded),
                        partial(answer, station, self._feed, self._page, inspector=inspector),
                    ),
                    anyio.create_task_group() as tasks,
                ):
                    self._manager.tell("READY=1")
                    tasks.start_soon(self._look_after, station)
                    if self.announced is None or not self.announced.is_stdin:
                        tasks.start_soon(self._type, station)
                    announce = partial(self._announce, station)
                    if self.announced is not None:
                        tasks.start_soon(self.announced.read, announce, self._view.note)
                    if self.trays is not None:
                        tasks.start_soon(self.trays.watch, announce, self._view.note)
                    if self._understudy is not None:
                        tasks.start_soon(self._understudy.work)
                    if self._loaded.config.shift is not None:
                        tasks.start_soon(inspector.run)
                    tally = await station.run(
                        tuple(self._names), fobs, scouts=self._loaded.config.scouts
                    )
                    tasks.cancel_scope.cancel()
            self._left = unfinished(station, self._words)
            if self.announced or self.trays or self._loaded.config.scouts:
                self._left.append(what_became(station.prefetched()))
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

    def _missing(self, readers: Readers) -> list[str]:
        """What is said at the start of readers that are not there yet; blocks."""
        words = self._words
        try:
            there = readers.names()
        except ReaderError as error:
            return [words.waiting_for_readers.format(error)]
        if not there:
            return [words.waiting_for_readers.format(words.no_reader)]
        return [
            words.waiting_for.format(words.there_are.format(name, ", ".join(there)))
            for name in (*self._names, *self._loaded.config.scouts)
            if not any(answers_to(reader, name) for reader in there)
        ]

    # ------------------------------------------------------------------ what is told

    def _tell(self, event: LaneEvent) -> None:
        self._feed.publish(event)
        if self._understudy is not None:
            self._understudy.see(event)

    def _hear(self, entry: Entry) -> None:
        if isinstance(entry, LaneEvent):
            self._shift.hear(entry)
        self._view.hear(entry)

    def _unlogged(self, error: Exception) -> None:
        self._view.note(self._words.not_logged.format(error))

    @staticmethod
    def _deaf(error: Exception) -> None:
        # The lanes go on without it: their results are in the ledger.
        print(f"kfasync: nothing is shown any more: {error}", file=sys.stderr)

    async def _look_after(self, station: Station) -> None:
        """Keep the figures of board and page up to date."""
        screen = self._view if isinstance(self._view, Screen) else None
        if screen is None and self._page is None:
            return
        while True:
            stock = await to_thread.run_sync(self._count, station)
            if screen is not None:
                screen.show_stock(stock)
            await anyio.sleep(_STOCK_S)

    def _count(self, station: Station) -> Stock:
        """What is left; blocks."""
        stock = station.stock()
        if self._page is not None:
            self._page.show_stock(stock, certificate_days(self._loaded))
        return stock

    async def _type(self, station: Station) -> None:
        """Take in what is typed at the board."""
        if isinstance(self._view, Screen):
            prompt = ResumePrompt(
                lambda: [lane.slot for lane in station.lanes if lane.stopped],
                lambda slot: self._resume(station, slot),
                self._view.show_prompt,
            )
            await keyboard.watch(prompt.press)

    def _announce(self, station: Station, uid: bytes) -> bool:
        taken = station.announce(uid)
        if taken and self._understudy is not None:
            self._understudy.announce(uid)
        return taken

    def _resume(self, station: Station, slot: int) -> None:
        try:
            station.resume(slot)
        except LaneError as error:
            self._view.note(str(error))

    def _what_was_done(self) -> str:
        done, words = self._shift, self._words
        said = f"{words.stopped}: {done.passed} {words.passed}, {done.failed} {words.failed}"
        return said + (f", {done.again} {words.again}" if done.again else "")

    # ------------------------------------------------------------------ what is asked

    def _asked_to_stop(self) -> None:
        words = self._words
        waits = "; ".join(
            f"{words.lane} {event.slot} ({event.uid or '?'}, "
            f"{words.states[event.state]} {event.step}/{event.steps or '?'})"
            for event in self._feed.lanes()
            if event.state in WORKING
        )
        if self._work.cancel_called:
            what = words.leave_them.format(waits) if waits else words.closing
            self._view.note(words.waiting_for.format(what))
            return
        self._view.note(words.finishing.format(waits) if waits else words.nothing_written)
        self._manager.tell("STOPPING=1")
        self._work.cancel()
