"""What a fob costs in the ledger: CPU of its calls, hot, in one thread.

    python -m benchmarks.ledger_cpu [--fobs 2000]

Prints microseconds of CPU and of wall-clock time a fob, and of each call. With another checkout in
front on PYTHONPATH it measures that one, also of the version before this ledger.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from kfasync.ledger.ledger import Ledger
from kfasync.model import (
    Content,
    ContentState,
    Disposition,
    KeyCheckValues,
    KeySet,
    Lease,
    Mark,
    Unit,
)
from kfasync.secret import Secret

_ZEROS = Secret(bytes(16))
KEYS = KeySet(255, _ZEROS, _ZEROS, _ZEROS, KeyCheckValues(b"", b"", b""))
RECORD = json.dumps({"attempt": "a", "transcript": ["x" * 200] * 17, "finished": "", "message": ""})


def lease(fence: str, unit: Unit, content: Content) -> Lease:
    """A lease of no more than a name, for a ledger of this version or of the one before."""
    fields = Lease.__struct_fields__
    further: dict[str, Any] = {"secrets": ()} if "secrets" in fields else {}
    if "fence" in fields:
        further["fence"] = fence
    return Lease(lease_id=fence, unit=unit, content=content, keys=KEYS, items=(), **further)


def finish(ledger: Any, of: Lease, attempt: str) -> None:
    """The end of an attempt, as this version or the one before takes it."""
    ending: dict[str, Any] = {
        "disposition": Disposition.PASS,
        "unit": of.unit,
        "lease": of,
        "state": ContentState.CONSUMED,
    }
    try:
        from kfasync.ledger.attempts import Ending
    except ImportError:
        try:
            from kfasync.ledger.ledger import Ending  # type: ignore[attr-defined]  # where it was
        except ImportError:
            ledger.finish(attempt, RECORD, **ending)
            return
    ledger.finish(Ending(attempt=attempt, record=RECORD, **ending))


def begin(ledger: Any, unit: Unit, attempt: str) -> None:
    """The beginning of an attempt, which earlier versions did not write down."""
    try:
        from kfasync.ledger.attempts import Begun
    except ImportError:
        ledger.standing(unit)
    else:
        ledger.begin(Begun(attempt=attempt, unit=unit, slot=1, reader="A", started=""))


def identify(ledger: Any, unit: Unit, fence: str, content: Content, number: int) -> None:
    """What the content is, which earlier versions did not ask."""
    try:
        from kfasync.model import Fingerprint
    except ImportError:
        return
    ledger.identify(unit, fence, content, Fingerprint(f"k{number}", f"i{number}", f"t{number}"))


def unit_of(uid: bytes) -> Unit:
    """A unit of this version or of one before."""
    further: dict[str, Any] = {"aid": bytes(5)} if "aid" in Unit.__struct_fields__ else {}
    return Unit(uid=uid, diversification_uid=uid, atr=b"", profile="p", **further)


def measure(fobs: int, directory: Path) -> dict[str, float]:
    """Microseconds of CPU a fob by call, as medians, and their sum; ``wall`` is the clock's."""
    ledger = Ledger.open(directory)
    ledger.offer(Content(f"1KM{n:05X}", f"{n:040X}") for n in range(fobs))
    calls: dict[str, list[int]] = {}
    walls: list[int] = []

    def timed(name: str, call: Callable[[], Any]) -> Any:
        began = time.thread_time_ns()
        result = call()
        calls.setdefault(name, []).append(time.thread_time_ns() - began)
        return result

    for number in range(fobs):
        uid = b"\x04" + number.to_bytes(6, "big")
        unit = unit_of(uid)
        began = time.perf_counter_ns()
        timed("begin", partial(begin, ledger, unit, str(number)))
        claimed = timed("claim", partial(ledger.claim, unit))
        held = lease(claimed[0], unit, claimed[1])
        timed("identify", partial(identify, ledger, unit, claimed[0], claimed[1], number))
        timed("burned", partial(ledger.mark, held, Mark.BURNED))
        timed("last sent", partial(ledger.mark, held, Mark.LAST_SENT))
        timed("finish", partial(finish, ledger, held, str(number)))
        walls.append(time.perf_counter_ns() - began)
    ledger.close()
    hot = slice(fobs // 4, None)
    figures = {name: statistics.median(taken[hot]) / 1000 for name, taken in calls.items()}
    figures["fob"] = statistics.median(map(sum, zip(*calls.values(), strict=True))) / 1000
    figures["wall"] = statistics.median(walls[hot]) / 1000
    return figures


def main() -> None:
    """Measure and print, a figure a line; JSON with --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fobs", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kfasync-ledger-") as directory:
        figures = measure(arguments.fobs, Path(directory))
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, us in figures.items():
        print(f"{name:<10} {us:>8.0f} us")


if __name__ == "__main__":
    main()
