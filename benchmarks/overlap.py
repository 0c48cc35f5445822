"""What asking for leases ahead brings: ``kfasync bench pipeline`` with a key server, in each way.

    python -m benchmarks.overlap [--lanes 1 4 16] [--fobs-a-lane 25] [--klms-ms 150]

NFC timing, the reference key server over mutual TLS, as far away as `--klms-ms` says, also for
ends. Each row is a run of its own; the ways take turns on each number of lanes.
"""

import argparse
import json
import subprocess
import sys
from typing import Any

WAYS: dict[str, tuple[str, ...]] = {
    "when it is needed": ("--no-prefetch",),
    "with the UID": (),
    "announced": ("--announce",),
    "announced, trio": ("--announce", "--loop", "trio"),
    "announced, disorder": ("--announce", "--disorder"),
    "announced, pcscd": ("--announce", "--pcscd"),
}
HEADS = ("model", "measured", "bound", "of bound", "wait p50", "wait p99", "CPU ms", "fobs/h")


def run(lanes: int, fobs: int, klms_ms: int, options: tuple[str, ...]) -> dict[str, Any]:
    """One run, whose progress is not shown."""
    done = subprocess.run(  # noqa: S603  # this very program
        [
            *(sys.executable, "-m", "kfasync", "bench", "pipeline", "--json", "--source", "klms"),
            *("--lanes", str(lanes), "--fobs", str(fobs)),
            *("--klms-ms", str(klms_ms), "--commit-ms", str(klms_ms), *options),
        ],
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(options)}: code {done.returncode}\n{done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row(found: dict[str, Any]) -> str:
    """Its figures, as :data:`HEADS` names them."""
    wait = found["klms_wait_ms"]
    return (
        f"{found['efficiency']:>10.3f}{found['efficiency_measured']:>10.3f}{found['bound']:>10.3f}"
        f"{found['efficiency'] / found['bound']:>10.3f}{wait['p50_ms']:>10.1f}"
        f"{wait['p99_ms']:>10.1f}{found['cpu_ms_per_fob']:>10.1f}{found['fobs_per_hour']:>10,.0f}"
    )


def main() -> None:
    """Run everything and print a row for each as it is done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--fobs-a-lane", type=int, default=25)
    parser.add_argument("--klms-ms", type=int, default=150)
    options = parser.parse_args()
    print(f"{'lanes':>5}  {'a lease is asked for':<22}" + "".join(f"{one:>10}" for one in HEADS))
    for lanes in options.lanes:
        for name, way in WAYS.items():
            found = run(lanes, lanes * options.fobs_a_lane, options.klms_ms, way)
            print(f"{lanes:>5}  {name:<22}{row(found)}", flush=True)


if __name__ == "__main__":
    main()
