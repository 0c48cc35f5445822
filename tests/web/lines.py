"""A whole line under test: a station on simulated readers, its page, and hands that place fobs."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import anyio

from kfasync.cli.asked import answer
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.advice import Language
from kfasync.station.assembly import open_station
from kfasync.station.config import load
from kfasync.station.control import serve
from kfasync.station.events import LaneEvent
from kfasync.station.feed import Feed
from kfasync.station.pin import hash_pin
from kfasync.station.rehearsal import Operator
from kfasync.station.setup import data_directory
from kfasync.web.page import open_page
from tests.pcscd.floor import write_config
from tests.web.pages import PATIENCE_S

PIN = "314159"


class Line:
    """A line that works, in a thread of its own.

    Attributes:
        feed: what it tells.
        url: of its page, from when it is ``ready`` until it is ``over``.
    """

    def __init__(self, directory: Path, trays: Sequence[Sequence[SimulatedFob]]) -> None:
        config = write_config(directory, made=60)
        web = f'\n[web]\nport = 0\nlead_pin = "{hash_pin(PIN)}"\n'
        config.write_text(config.read_text("utf-8") + web, "utf-8")
        self.feed = Feed()
        self.url = ""
        self._loaded = load(config)
        self._trays = trays
        self.ready = threading.Event()
        self.over = threading.Event()

    async def _run(self) -> None:
        names = [f"simulated {number}" for number in range(1, len(self._trays) + 1)]
        readers = SimulatedReaders(names)
        hands = [Operator(readers, tray, stays=True) for tray in self._trays]

        def tell(event: LaneEvent) -> None:
            self.feed.publish(event)
            for one in hands:
                one.see(event)

        async with open_station(self._loaded, readers, tell, self.feed.publish) as station:
            with open_page(self._loaded, Language.ENGLISH, self.feed) as page:
                assert page is not None
                self.url = page.url
                said = partial(answer, station, self.feed, page)
                async with (
                    serve(data_directory(self._loaded), said),
                    anyio.create_task_group() as tasks,
                ):
                    tasks.start_soon(station.run, tuple(names))
                    for one, name in zip(hands, names, strict=True):
                        tasks.start_soon(one.work, name)
                    self.ready.set()
                    while not self.over.is_set():
                        await anyio.sleep(0.05)
                        page.show_stock(station.stock(), None)
                    tasks.cancel_scope.cancel()

    def work(self) -> None:
        """Run the line until it is told to stop."""
        try:
            anyio.run(self._run)
        finally:
            self.ready.set()


@contextlib.contextmanager
def working(directory: Path, trays: Sequence[Sequence[SimulatedFob]]) -> Iterator[Line]:
    """A line with a tray of fobs for each lane."""
    line = Line(directory, trays)
    thread = threading.Thread(target=line.work, daemon=True)
    thread.start()
    try:
        assert line.ready.wait(PATIENCE_S)
        assert line.url
        yield line
    finally:
        line.over.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
