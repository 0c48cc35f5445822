"""What a long history and a large pool cost at the start, and what a look back costs.

    python -m benchmarks.history [--most 100000]

For 10^2, 10^3 ... containers: the first start, which writes them to the ledger, and the next one,
which finds nothing new. For as many records: a start after the audit file was removed, which
writes it again, with the containers and without them. Each in a process of its own; the memory
is the peak of that process. And for as many records the looks of the lead's page, in milliseconds,
the slowest of ten: the newest page, one in the middle, searches that find one fob, all of them and
none, yield of all, and the times of 400 fobs.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kfasync.audit.log import AuditLog
from kfasync.ledger.attempts import Ending
from kfasync.ledger.history import History
from kfasync.ledger.ledger import FILE_NAME, Ledger
from kfasync.model import Disposition, Stage
from kfasync.sources.containers import scan
from kfasync.web.past import Past

# As long as the record of a fob that passed at security level 01.
STAGES = [{"stage": stage.value, "at": "", "offset_us": 0, "took_us": 9000} for stage in Stage]
RECORD = {"cause": "pass", "stages": STAGES, "transcript": ["0123456789ABCDEF" * 14] * 17}


def fill(directory: Path, count: int) -> None:
    """So many containers, which are opened by nobody here, and so many records."""
    containers = directory / "containers"
    containers.mkdir()
    for number in range(count):
        (containers / f"{number:08X}-{number:040X}").mkdir()
    ledger = Ledger.open(directory / "var")
    for number in range(count):
        of = {"uid": f"04A1{number:08X}80", "fesn": f"1KM{number:05X}", "slot": 1}
        at = f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}+00:00"
        text = json.dumps({**RECORD, **of, "finished": at, "attempt": f"{number:032x}"})
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


def looks(directory: Path, count: int) -> dict[str, float]:
    """Milliseconds of each look, the slowest of ten."""
    history = History.open(directory / "var" / FILE_NAME)
    what: dict[str, Callable[[], object]] = {
        "newest": lambda: history.lines(most=51),
        "middle": lambda: history.lines(before=count // 2, most=51),
        "one": lambda: history.lines(search=f"1KM{count // 2:05X}", most=51),
        "all": lambda: history.lines(search="04A1", most=51),
        "none": lambda: history.lines(search="05", most=51),
        "yield": lambda: history.counts(""),
        "stages": lambda: Past.stages(history),
    }
    figures = {}
    for name, look in what.items():
        took = []
        for _ in range(10):
            began = time.perf_counter()
            look()
            took.append(1000 * (time.perf_counter() - began))
        figures[name] = max(took)
    history.close()
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
            found = looks(directory, count)
            print(f"{count:>8} looks, ms:", *(f"{name} {ms:.1f}" for name, ms in found.items()))
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
