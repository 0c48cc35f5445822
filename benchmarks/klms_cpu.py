"""CPU time of a station for one fob with a key server, beside container directories.

    python -m benchmarks.klms_cpu [--rounds 5] [--fobs 80] [--json]

Each round is a process of its own; rounds of both kinds take turns, because the machine is not ours
alone. What is measured is the process time of the station with its simulated fobs, which cost the
same in both: the difference is the key server's. The server is another process and is not in it.
"""

import argparse
import json
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio
import msgspec

from kfasync.cli.demo import furnish
from kfasync.cli.keyserver import KeyServer
from kfasync.cli.samples import sample_keys
from kfasync.sim.faults import NFC
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.assembly import ENDS_LINGER_S, open_station
from kfasync.station.config import LoadedConfig, load
from kfasync.station.events import LaneEvent

LINES = {"four lanes": (4, 0.0), "one lane, half a second between fobs": (1, 0.5)}
PATIENCE_S = 300


class Line(msgspec.Struct):
    """A whole line on simulated readers, and what it costs from the second fob of each lane on."""

    loaded: LoadedConfig
    lanes: int
    fobs: int
    gap_s: float

    async def cost_ms(self) -> float:
        """Process time of one fob."""
        names = [f"simulated {number}" for number in range(self.lanes)]
        readers = SimulatedReaders(names)
        done = {name: anyio.Event() for name in names}

        def tell(event: LaneEvent) -> None:
            if event.record is not None:
                assert event.record.outcome == "pass", event.record.message
                done[event.reader].set()

        with sample_keys(self.loaded) as keys_of:
            uids = [b"\x04" + secrets.token_bytes(6) for _ in range(self.fobs + self.lanes)]
            tray = [SimulatedFob(uid=uid, keys=keys_of(uid), timing=NFC) for uid in uids]

        async def serve(name: str, count: int) -> None:
            for _ in range(count):
                done[name] = anyio.Event()
                readers.place(name, tray.pop())
                await done[name].wait()
                readers.remove(name)
                await anyio.sleep(self.gap_s)

        async def serve_all(count: int) -> None:
            async with anyio.create_task_group() as hands:
                for name in names:
                    hands.start_soon(serve, name, count)
            await anyio.sleep(ENDS_LINGER_S + 0.25)  # until the ends have been told

        async with (
            open_station(self.loaded, readers, tell) as station,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(station.run)
            await serve_all(1)
            began = time.process_time()
            await serve_all(self.fobs // self.lanes)
            spent = time.process_time() - began
            tasks.cancel_scope.cancel()
        return 1000 * spent / (self.fobs // self.lanes * self.lanes)


def measure(config: Path, lanes: int, fobs: int, gap_s: float) -> float:
    """The same in a process of its own."""
    run = subprocess.run(  # noqa: S603  # our own module
        [
            *(sys.executable, "-m", "benchmarks.klms_cpu", "--child"),
            *map(str, (config, lanes, fobs, gap_s)),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return float(run.stdout)


def compare(rounds: int, fobs: int) -> dict[str, dict[str, list[float]]]:
    """Milliseconds a fob, by line and source."""
    figures: dict[str, dict[str, list[float]]] = {
        line: {"containers": [], "klms": []} for line in LINES
    }
    for line, (lanes, gap_s) in LINES.items():
        count = fobs if lanes > 1 else fobs // 4
        for _ in range(rounds):
            for source in ("containers", "klms"):
                with tempfile.TemporaryDirectory() as name:
                    directory = Path(name)
                    furnish(directory, count + lanes, None)
                    config = directory / "station.toml"
                    if source == "containers":
                        figures[line][source].append(measure(config, lanes, count, gap_s))
                        continue
                    parts = directory / "containers", directory / "certificates"
                    with KeyServer(directory, *parts) as server:
                        figures[line][source].append(measure(server.config, lanes, count, gap_s))
    return figures


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fobs", type=int, default=80)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        config, lanes, fobs, gap_s = options.child
        line = Line(load(Path(config)), int(lanes), int(fobs), float(gap_s))
        print(anyio.run(line.cost_ms))
        return
    figures = compare(options.rounds, options.fobs)
    if options.json:
        print(json.dumps(figures))
        return
    for name, sources in figures.items():
        print(name)
        for source, values in sources.items():
            print(
                f"  {source:11} {min(values):6.2f} ms at the least, "
                f"{statistics.median(values):6.2f} in the median"
            )
        least = min(sources["klms"]) - min(sources["containers"])
        median = statistics.median(sources["klms"]) - statistics.median(sources["containers"])
        print(f"  difference  {least:6.2f} ms at the least, {median:6.2f} in the median")


if __name__ == "__main__":
    main()
