"""What a long history and a large pool cost at the start: seconds and memory.

    python -m benchmarks.history [--most 100000]

For 10^2, 10^3 ... containers: the first start, which writes them to the ledger, and the next one,
which finds nothing new. For as many records: a start after the audit file was removed, which
writes it again, with the containers and without them. Each in a process of its own; the memory
is the peak of that process.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kfasync.audit.log import AuditLog
from kfasync.ledger.attempts import Ending
from kfasync.ledger.ledger import Ledger
from kfasync.model import Disposition
from kfasync.sources.containers import scan

# As long as the record of a fob that passed at security level 01.
RECORD = {"attempt": "", "transcript": ["0123456789ABCDEF" * 14] * 17}


def fill(directory: Path, count: int) -> None:
    """So many containers, which are opened by nobody here, and so many records."""
    containers = directory / "containers"
    containers.mkdir()
    for number in range(count):
        (containers / f"{number:08X}-{number:040X}").mkdir()
    ledger = Ledger.open(directory / "var")
    for number in range(count):
        text = json.dumps({**RECORD, "attempt": f"{number:032x}"})
        ledger.finish(Ending(attempt=f"{number:032x}", record=text, disposition=Disposition.PASS))
    ledger.close()


def start(directory: Path) -> dict[str, float]:
    """Seconds of each part of a start, and the peak of memory in MiB."""
    figures: dict[str, float] = {}
    began = time.perf_counter()
    ledger = Ledger.open(directory / "var")
    figures["ledger"] = time.perf_counter() - began
    began = time.perf_counter()
    AuditLog.open(directory / "var", ledger)
    figures["log"] = time.perf_counter() - began
    began = time.perf_counter()
    if (directory / "containers").exists():
        ledger.offer(scan(directory / "containers"))
    figures["containers"] = time.perf_counter() - began
    ledger.close()
    figures["MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def started(directory: Path) -> dict[str, float]:
    """:func:`start` in a process of its own."""
    done = subprocess.run(  # noqa: S603  # this very file
        [sys.executable, "-m", "benchmarks.history", "--start", str(directory)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    """Measure and print a line for each size and kind of start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=100_000)
    parser.add_argument("--start", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.start is not None:
        print(json.dumps(start(arguments.start)))
        return
    print(f"{'pieces':>8} {'start':<24} {'ledger s':>9} {'log s':>9} {'content s':>9} {'MiB':>6}")
    count = 100
    while count <= arguments.most:
        with tempfile.TemporaryDirectory(prefix="kfasync-history-") as name:
            directory = Path(name)
            fill(directory, count)
            for kind in (
                "first, no audit file",
                "next",
                "audit file removed",
                "the same, records only",
            ):
                if kind.startswith(("audit", "the same")):
                    (directory / "var" / "audit.jsonl").unlink()
                if kind.endswith("only"):
                    (directory / "containers").rename(directory / "elsewhere")
                one = started(directory)
                print(
                    f"{count:>8} {kind:<24} {one['ledger']:>9.3f} {one['log']:>9.3f} "
                    f"{one['containers']:>9.3f} {one['MiB']:>6.0f}",
                    flush=True,
                )
        count *= 10


if __name__ == "__main__":
    main()
