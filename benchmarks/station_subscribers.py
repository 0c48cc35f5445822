"""What subscribers of the feed cost the lanes: none, one that sleeps, one that raises.

    python -m benchmarks.station_subscribers [FOBS] [LANES]

Simulated fobs that answer at once, so that all of the time is the station's; each kind twice.
"""

import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import anyio

from benchmarks.station_memory import fobs_of
from kfasync.bench.pipeline.run import Plan, furnish
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.assembly import open_station
from kfasync.station.events import LaneEvent
from kfasync.station.feed import Entry, Feed
from kfasync.station.rehearsal import Operator

_end = threading.Event()


def sleeps(entry: Entry) -> None:
    """Never comes back before the run is over."""
    _end.wait()


def raises(entry: Entry) -> None:
    """Fails at the first news."""
    raise OSError("the terminal is gone")


async def fobs_a_second(fobs: int, lanes: int, hear: Callable[[Entry], None] | None) -> float:
    """Run a station of its own with this subscriber."""
    with tempfile.TemporaryDirectory(prefix="kfasync-subscribers-") as name:
        loaded = furnish(Path(name), Plan(lanes=0, fobs=fobs), lambda made: None)
        readers = SimulatedReaders(f"simulated {number}" for number in range(lanes))
        operator = Operator(readers, fobs_of(loaded.config.key_set()))
        feed = Feed()

        def tell(event: LaneEvent) -> None:
            feed.publish(event)
            operator.see(event)

        _end.clear()
        with contextlib.ExitStack() as listening:
            if hear is not None:
                listening.enter_context(feed.listener(hear, lambda error: None))
                listening.callback(_end.set)
            async with open_station(loaded, readers, tell) as station:
                began = time.monotonic()
                async with anyio.create_task_group() as tasks:
                    for reader in readers.names():
                        tasks.start_soon(operator.work, reader)
                    await station.run(fobs=fobs)
                    tasks.cancel_scope.cancel()
                return fobs / (time.monotonic() - began)


async def main(fobs: int, lanes: int) -> None:
    """Each kind twice, in turn, for the machine may have other things to do."""
    for _ in range(2):
        for hear in (None, sleeps, raises):
            rate = await fobs_a_second(fobs, lanes, hear)
            print(f"{hear.__name__ if hear else 'none':<8} {rate:6.1f} fobs a second", flush=True)


if __name__ == "__main__":
    anyio.run(main, int((sys.argv[1:] or ["600"])[0]), int((sys.argv[2:] or ["4"])[0]))
