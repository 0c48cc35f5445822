"""Memory, files and threads of a station over a long shift: they have to stay where they are.

    python -m benchmarks.station_memory [FOBS] [LANES]

Simulated fobs that answer at once, the feed with a board that is drawn, and a line for every
thousand fobs.
"""

import gc
import io
import os
import secrets
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
from rich.console import Console

from kfasync.bench.pipeline.run import Plan, furnish
from kfasync.cli.screen import Screen
from kfasync.model import KeySet
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.assembly import open_station
from kfasync.station.events import LaneEvent
from kfasync.station.feed import Entry, Feed
from kfasync.station.rehearsal import Operator
from kfasync.station.shift import Shift

STEP = 1000


def rss_mb() -> float:
    """Resident memory now, which is not its peak."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def files() -> int:
    """Open files."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # a directory that changes meanwhile


def fobs_of(keys: KeySet) -> Iterator[SimulatedFob]:
    """As many as are asked for."""
    while True:
        yield SimulatedFob(uid=b"\x04" + secrets.token_bytes(6), keys=keys)


async def main(fobs: int, lanes: int) -> None:
    """Run the shift."""
    with tempfile.TemporaryDirectory(prefix="kfasync-memory-") as name:
        loaded = furnish(Path(name), Plan(lanes=0, fobs=fobs), lambda made: None)
        readers = SimulatedReaders(f"simulated {number}" for number in range(lanes))
        operator = Operator(readers, fobs_of(loaded.config.key_set()))
        feed, shift = Feed(), Shift()
        console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
        screen = Screen(console, shift)

        def hear(entry: Entry) -> None:
            screen.hear(entry)
            if isinstance(entry, LaneEvent):
                shift.hear(entry)
                if entry.record is not None and (shift.passed + shift.failed) % STEP == 0:
                    screen.render()
                    gc.collect()
                    print(
                        f"{shift.passed:>6} passed, {shift.failed} failed: {rss_mb():6.1f} MB, "
                        f"{files()} files, {threading.active_count()} threads",
                        flush=True,
                    )

        def tell(event: LaneEvent) -> None:
            feed.publish(event)
            operator.see(event)

        async with open_station(loaded, readers, tell, feed.publish) as station:
            with feed.listener(hear, lambda error: print(error, file=sys.stderr)):
                async with anyio.create_task_group() as tasks:
                    for reader in readers.names():
                        tasks.start_soon(operator.work, reader)
                    await station.run(fobs=fobs)
                    tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, int((sys.argv[1:] or ["10000"])[0]), int((sys.argv[2:] or ["4"])[0]))
