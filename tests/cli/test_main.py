"""What ends a command early, as a process: a line and an exit code, and no traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.stations import PATIENCE_S, write_simulated
from tests.processes import as_in_a_terminal

INTERRUPTED = "kfasync: interrupted; a half-written fob is asked for at the next start\n"


def start(*arguments: str, options: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *options, "-m", "kfasync", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        preexec_fn=as_in_a_terminal,
    )


@pytest.mark.parametrize("module", ["typer", "kfasync.station.config", "kfasync.ledger.ledger"])
def test_ctrl_c_during_imports_is_one_line(module: str) -> None:
    # It tells of every module that it has imported, in the middle of importing the others.
    with start("demo", options=("-X", "importtime")) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.rstrip().endswith(f" {module}"):
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    # The interpreter imports one or the other when it ends, too.
    said = [line for line in errors.splitlines(keepends=True) if "import time:" not in line]
    assert said == [INTERRUPTED]


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_ctrl_c_in_the_middle_of_the_demo_is_one_line(loop: str) -> None:
    with start("demo", "--fobs", "40", "--loop", loop) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "PASS" in line:
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (130, INTERRUPTED)


def test_a_reader_of_the_output_that_goes_away_is_one_line() -> None:
    with start("config", "template") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
        process.wait(PATIENCE_S)
    assert (process.returncode, errors) == (141, "kfasync: nobody reads the output any more\n")


def test_a_station_goes_on_without_anybody_to_read_what_it_prints(tmp_path: Path) -> None:
    config = write_simulated(tmp_path, 2, 4)
    with start("run", "--config", str(config), "--fobs", "4") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
        process.wait(PATIENCE_S)
    assert process.returncode == 0
    assert errors == (
        "kfasync: standard output cannot be written (Broken pipe); nothing more is shown, and the "
        "station goes on\n"
    )
    assert (tmp_path / "var" / "audit.jsonl").read_text("utf-8").count('"outcome":"pass"') == 4
