"""``kfasync demo --web``: a simulated line with hands that take their time, and its page."""

import os
import sys
import webbrowser
from collections.abc import Callable, Sequence
from functools import partial

import anyio
from anyio import to_thread

from kfasync.cli import signals
from kfasync.cli.asked import answer
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.advice import Language
from kfasync.station.assembly import open_station
from kfasync.station.config import LoadedConfig
from kfasync.station.control import serve
from kfasync.station.events import LaneEvent
from kfasync.station.feed import Feed
from kfasync.station.follower import Notice
from kfasync.station.pin import hash_pin
from kfasync.station.rehearsal import Operator
from kfasync.station.setup import certificate_days, data_directory
from kfasync.station.station import Station
from kfasync.web.page import Page, open_page

PIN = "271828"
_PAUSE_S = 1.2  # a hand that takes a fob away, and one that brings the next
_LOOK_S = 1.0


def web_section() -> str:
    """What a configuration needs for it: any port that is free, and a PIN that everybody knows."""
    return f'\n[web]\nport = 0\nlead_pin = "{hash_pin(PIN)}"\n'


def trays(fobs: Sequence[SimulatedFob], lanes: int) -> list[list[SimulatedFob]]:
    """Fobs for each lane, with some trouble among them: a lane that passes all shows little."""
    dealt = [list(fobs[lane::lanes]) for lane in range(lanes)]
    for lane, tray in enumerate(dealt):
        if len(tray) < 3:
            continue
        if lane % 4 == 1:  # torn off, and placed again
            tray[1].plan(Fault(FaultKind.TORN_BEFORE, at=8))
            tray.insert(1, tray[1])
        elif lane % 4 == 2:
            tray[2].plan(Fault(FaultKind.STATUS_WORD, at=8, sw=0x6581))
        elif lane % 4 == 3:  # two in a row stop the lane, for a lead to resume it
            for fob in tray[-2:]:
                fob.plan(Fault(FaultKind.STATUS_WORD, at=4, sw=0x6982))
    return dealt


async def show(
    loaded: LoadedConfig,
    dealt: Sequence[Sequence[SimulatedFob]],
    tell: Callable[[LaneEvent], None],
    notice: Callable[[Notice], None],
    announce: Callable[[str], None],
) -> None:
    """Run the line and its page until SIGINT or SIGTERM.

    Args:
        announce: told where the page is, when it is there.
    """
    names = [f"simulated {slot}" for slot in range(len(dealt))]
    readers, feed = SimulatedReaders(names), Feed()
    hands = [Operator(readers, tray, stays=True, pause_s=_PAUSE_S) for tray in dealt]

    def tell_all(event: LaneEvent) -> None:
        tell(event)
        feed.publish(event)
        for one in hands:
            one.see(event)

    def notice_all(news: Notice) -> None:
        notice(news)
        feed.publish(news)

    with anyio.CancelScope() as work:
        async with (
            anyio.create_task_group() as watching,
            open_station(loaded, readers, tell_all, notice_all) as station,
        ):
            await watching.start(signals.watch, work.cancel)
            with open_page(loaded, Language.ENGLISH, feed) as page:
                if page is None:
                    return
                announce(page.url)
                said = partial(answer, station, feed, page)
                async with serve(data_directory(loaded), said), anyio.create_task_group() as tasks:
                    tasks.start_soon(station.run, tuple(names))
                    tasks.start_soon(_look_after, loaded, station, page)
                    for one, name in zip(hands, names, strict=True):
                        tasks.start_soon(one.work, name)


async def _look_after(loaded: LoadedConfig, station: Station, page: Page) -> None:
    days = certificate_days(loaded)
    while True:
        page.show_stock(await to_thread.run_sync(station.stock), days)
        await anyio.sleep(_LOOK_S)


def open_browser(url: str) -> None:
    """Where there is a screen; a browser of the terminal would take that over."""
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)
