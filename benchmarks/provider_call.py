"""What a call of a vendor's library costs, and how soon it is back after it died.

    python -m benchmarks.provider_call [--calls 2000] [--deaths 20] [--json]

The library is the hostile one of the tests, whose own work is a few memsets: what is left is
the way there and back, with a fob's content taken over and checked. Calls in a worker process
and in this one take turns, because the machine is not ours alone. A recovery begins when the
call that kills the library is made, and ends when the next one has been answered.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

from kfasync.crypto.heap import HeapVault
from kfasync.errors import ProviderError
from kfasync.model import Outcome, Unit
from kfasync.sources.provider.host import ProviderHost
from kfasync.sources.provider.library import digest
from tests.native_build import broken_provider

ROUNDS = 20
WARM_S = 1.0  # more than a spare takes to start
FATAL = 13  # the unit that the library dies for


def open_host(misbehave: str = "", *, in_process: bool = False) -> ProviderHost:
    """The library, ready, with its first lease behind it."""
    library = broken_provider("hostile")
    config = json.dumps({"misbehave": misbehave, "unit": FATAL}).encode()
    host = ProviderHost.open(library, digest(library), config, in_process=in_process)
    lease(host)
    return host


def lease(host: ProviderHost, number: int = 1) -> None:
    """One lease, forgotten at once."""
    uid = b"\x04" + number.to_bytes(6)
    unit = Unit(uid, uid, b"\x3b\x80\x80\x01\x01", bytes(5), "default")
    for secret in host.lease(unit, HeapVault())[1].secrets:
        secret.wipe()


def commit(host: ProviderHost) -> None:
    """One end."""
    host.commit("lease-1", Outcome.PASS)


def measure(call: Callable[[ProviderHost], None], host: ProviderHost, times: int) -> list[float]:
    """Microseconds of each call."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call(host)
        taken.append((time.perf_counter() - began) * 1e6)
    return taken


def calls(count: int) -> dict[str, list[float]]:
    """Microseconds, by what was called and where."""
    figures: dict[str, list[float]] = {}
    with_names = {"in process": open_host(in_process=True), "worker": open_host()}
    for _ in range(ROUNDS):
        for where, host in with_names.items():
            for what, call in (("lease", lease), ("commit", commit)):
                figures.setdefault(f"{what}, {where}", []).extend(
                    measure(call, host, count // ROUNDS)
                )
    for host in with_names.values():
        host.close()
    return figures


def recoveries(misbehave: str, count: int, *, warm: bool) -> list[float]:
    """Milliseconds from the call that kills the library to the next answer.

    Args:
        warm: a spare worker is ready, as it is a moment after the last death.
    """
    host = open_host(misbehave)
    taken = []
    for _ in range(count):
        if warm:
            time.sleep(WARM_S)
        began = time.perf_counter()
        try:
            lease(host, FATAL)
        except ProviderError:
            lease(host)
            taken.append((time.perf_counter() - began) * 1e3)
    host.close()
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--deaths", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = {f"{name}, us": taken for name, taken in calls(arguments.calls).items()}
    for misbehave in ("segfault", "exit"):
        for warm in (True, False):
            name = f"back after {misbehave}, {'spare ready' if warm else 'one after the other'}, ms"
            figures[name] = recoveries(misbehave, arguments.deaths, warm=warm)
    rows = {name: summary(taken) for name, taken in figures.items()}
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'':48}{'p50':>10}{'p99':>10}{'most':>10}")
    for name, row in rows.items():
        print(f"{name:48}" + "".join(f"{figure:10.1f}" for figure in row.values()))


def summary(taken: list[float]) -> dict[str, float]:
    """Median, 99th percentile, and the most that it took."""
    p99 = statistics.quantiles(taken, n=100, method="inclusive")[98]
    return {"p50": statistics.median(taken), "p99": p99, "most": max(taken)}


if __name__ == "__main__":
    main()
