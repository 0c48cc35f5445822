"""``kfasync bench pipeline`` of two checkouts in turns, because the machine is not ours alone.

    python -m benchmarks.pipeline_turns OLD NEW [--rounds 5] [--lanes 16 --card-ms 20 ...]

Each checkout runs with its own .venv where it has one, else with this Python and its own
modules; the C core has to be built in both or in neither. Figures are medians over the rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Result = Mapping[str, Any]
FIGURES: dict[str, Callable[[Result], float]] = {
    "fobs a second": lambda one: one["fobs_per_hour"] / 3600,
    "efficiency": lambda one: one["efficiency"],
    "efficiency measured": lambda one: one["efficiency_measured"],
    "fob p50 ms": lambda one: one["stages"]["Fob"]["p50_ms"],
    "fob p99 ms": lambda one: one["stages"]["Fob"]["p99_ms"],
    "fob worst ms": lambda one: one["stages"]["Fob"]["max_ms"],
    "CPU ms a fob": lambda one: one["cpu_ms_per_fob"],
    "peak MiB": lambda one: one["peak_rss_mb"] or 0.0,
}


def run(tree: Path, arguments: list[str]) -> Result:
    """One run of one checkout; its progress stays on standard error."""
    own = tree / ".venv" / "bin" / "python"
    command = [str(own if own.is_file() else sys.executable), "-P", "-m", "kfasync"]
    done = subprocess.run(  # noqa: S603  # two checkouts that the caller names
        [*command, "bench", "pipeline", "--json", *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{tree}: kfasync bench pipeline ended with code {done.returncode}")
    result: Result = json.loads(done.stdout)
    return result


def table(results: Mapping[Path, list[Result]]) -> str:
    """Medians of both beside each other, and how the second stands to the first."""
    old, new = results.values()
    lines = [f"{'median of ' + str(len(old)):<22}{'old':>10}{'new':>10}{'new/old':>10}"]
    for name, figure in FIGURES.items():
        before, after = (statistics.median(map(figure, one)) for one in (old, new))
        ratio = f"{after / before:.2f}" if before else "-"
        lines.append(f"{name:<22}{before:>10,.3f}{after:>10,.3f}{ratio:>10}")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.epilog = "Every other option goes to kfasync bench pipeline."
    given, others = parser.parse_known_args()
    trees = (given.old.resolve(), given.new.resolve())
    if trees[0] == trees[1]:
        parser.error("the two checkouts are one")
    results: dict[Path, list[Result]] = {tree: [] for tree in trees}
    for number in range(given.rounds):
        for tree in trees if number % 2 == 0 else reversed(trees):
            results[tree].append(run(tree, others))
    print(table(results))


if __name__ == "__main__":
    main()
