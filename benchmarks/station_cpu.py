"""CPU time of the station for one fob through pcscd, beside pyscard's for the same commands.

    python -m benchmarks.station_cpu [--fobs 40] [--json]

The fobs answer at once and live in a process of their own; what is measured is the process
time of the station, all threads, from the placing of a fob to its result. Rounds of both
kinds take turns, because the machine is not ours alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
from anyio import to_thread

from kfasync.cards.pcsc import PcscReaders
from kfasync.contracts.cards import News
from kfasync.sim.content import make_certificates, make_containers
from kfasync.sim.pcscd import SOCKET_VARIABLE, PrivatePcscd
from kfasync.station.assembly import open_station
from kfasync.station.config import TEMPLATE, load
from kfasync.station.events import LaneEvent

COMMANDS = 17


class Tray:
    """The hands: another process that places what it is told to."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-m", "benchmarks.tray", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def place(self, what: str) -> None:
        """Return when it is done."""
        assert self._process.stdin is not None  # by the arguments above
        assert self._process.stdout is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        self._process.stdout.readline()

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=10)


class Result:
    """Where the station's news arrive."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.empty = anyio.Event()
        self.last: LaneEvent | None = None

    def tell(self, event: LaneEvent) -> None:
        """Take in news of the one lane."""
        if event.record is not None:
            self.last = event
            self.done.set()
        elif event.news is News.EMPTY:
            self.empty.set()


async def measure(directory: Path, pcscd: PrivatePcscd, fobs: int) -> dict[str, list[float]]:
    """Milliseconds of process time: of the station a fob, of pyscard alone for its commands."""
    ours, theirs = pcscd.reader_names
    result = Result()
    figures: dict[str, list[float]] = {"station": [], "pyscard": []}
    with tray(pcscd.port(ours)) as hands, tray(pcscd.port(theirs)) as other:
        other.place("recorded")
        async with (
            open_station(load(directory / "station.toml"), PcscReaders(), result.tell) as station,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(station.run, (ours,))
            await result.empty.wait()
            for number in range(fobs + 1):
                result.done, result.empty = anyio.Event(), anyio.Event()
                began = time.process_time()
                await to_thread.run_sync(hands.place, "fob")
                await result.done.wait()
                took = time.process_time() - began
                event = result.last
                if event is None or event.record is None or event.record.outcome != "pass":
                    raise SystemExit("a fob did not pass, so there is nothing to measure")
                commands = [entry.command_bytes for entry in event.record.transcript]
                await to_thread.run_sync(hands.place, "none")
                await result.empty.wait()
                alone = await to_thread.run_sync(pyscard_alone, theirs, commands)
                if number:  # the first of each warms everything up
                    figures["station"].append(1000 * took)
                    figures["pyscard"].append(1000 * alone)
            tasks.cancel_scope.cancel()
    return figures


def pyscard_alone(reader: str, sizes: list[int]) -> float:
    """Process time in seconds for commands of these sizes, by scard calls and nothing else."""
    from smartcard import scard

    commands = [list(_command(index, size)) for index, size in enumerate(sizes)]
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    result, card, _ = scard.SCardConnect(
        context, reader, scard.SCARD_SHARE_EXCLUSIVE, scard.SCARD_PROTOCOL_T1
    )
    if result != 0:
        raise SystemExit(f"cannot connect to {reader}: {scard.SCardGetErrorMessage(result)}")
    began = time.process_time()
    for command in commands:
        result, _ = scard.SCardTransmit(card, scard.SCARD_PCI_T1, command)
        if result != 0:
            raise SystemExit(f"{reader}: {scard.SCardGetErrorMessage(result)}")
    took = time.process_time() - began
    scard.SCardDisconnect(card, scard.SCARD_RESET_CARD)
    scard.SCardReleaseContext(context)
    return took


def _command(index: int, size: int) -> bytes:
    header = (b"\xff\xca\0\0", b"\0\xa4\4\0", b"\x80\x50\xff\0")[index : index + 1]
    start = header[0] if header else b"\x84\xe2\0\0"
    return (start + bytes((max(size - 5, 0),))).ljust(size, b"\0")[:size]


@contextmanager
def tray(port: int) -> Iterator[Tray]:
    """A tray process, ended in any case."""
    hands = Tray(port)
    try:
        yield hands
    finally:
        hands.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fobs", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kfasync-") as name:
        directory = Path(name)
        make_certificates(directory / "certificates")
        make_containers(directory / "containers", arguments.fobs + 1)
        text = TEMPLATE.replace("fixtures/", "")
        (directory / "station.toml").write_text(text, "utf-8")
        pcscd = PrivatePcscd(directory, 2)
        os.environ[SOCKET_VARIABLE] = str(pcscd.socket_path)
        with pcscd:
            figures = anyio.run(measure, directory, pcscd, arguments.fobs)
    least = {kind: min(values) for kind, values in figures.items()}
    median = {kind: statistics.median(values) for kind, values in figures.items()}
    ratio = median["station"] / median["pyscard"]
    if arguments.json:
        print(json.dumps({"minimum_ms": least, "median_ms": median, "ratio_of_medians": ratio}))
        return
    print(f"{arguments.fobs} fobs of {COMMANDS} commands; process time in ms")
    for kind in figures:
        print(f"  {kind:<8} median {median[kind]:6.2f}   minimum {least[kind]:6.2f}")
    print(f"  the station takes {ratio:.1f} times what pyscard takes for the commands alone")


if __name__ == "__main__":
    main()
