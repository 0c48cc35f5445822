import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kfasync.cli.pipeline import Meanwhile
from tests.bench.pipeline.reports import fob
from tests.cli.terminal import Run

SMALL = ("bench", "pipeline", "--lanes", "2", "--fobs", "4", "--card-ms", "5")


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_json_stands_alone_and_progress_is_on_standard_error(run: Run, loop: str) -> None:
    ended = run(*SMALL, "--json", "--loop", loop)
    assert ended.code == 0
    found = json.loads(ended.out)
    assert (found["passed"], found["failed"]) == (4, 0)
    assert found["klms_wait_ms"] is None
    assert 0 < found["efficiency"] < found["efficiency_measured"] < 1
    assert "making content: 6 of 6\n" in ended.err
    assert "provisioning: 4 of 4\n" in ended.err


def test_a_key_server_is_started_for_it_and_the_fobs_are_announced(run: Run) -> None:
    klms = ("--source", "klms", "--klms-ms", "40", "--commit-ms", "10", "--announce")
    ended = run(*SMALL, *klms, "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert (found["passed"], found["failed"], found["bound"]) == (4, 0, 1.0)
    assert found["klms_wait_ms"]["p50_ms"] > 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--announce"], "kfasync: --announce needs --source klms or stub, and --prefetch"),
        (["--source", "stub", "--announce", "--no-prefetch"], "--announce needs"),
        (["--pcscd", "--lanes", "17"], "--pcscd has 16 readers at most: --lanes 17 are too many"),
        (["--source", "stub", "--disorder"], "--disorder is of announced fobs: add --announce"),
    ],
)
def test_what_does_not_go_together_is_a_sentence(run: Run, options: list[str], says: str) -> None:
    ended = run(*SMALL, *options)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err


def test_it_runs_through_a_pcscd_of_its_own() -> None:
    # As a process: PC/SC's library looks only once which pcscd to talk to.
    ended = subprocess.run(
        [sys.executable, "-m", "kfasync", *SMALL, "--pcscd", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["passed"] == 4


def test_the_table_is_shown_and_the_picture_is_written(run: Run, tmp_path: Path) -> None:
    svg = tmp_path / "picture.svg"
    ended = run(*SMALL, "--svg", svg)
    assert ended.code == 0
    assert "4 fobs on 2 lanes, 5 ms of card" in ended.out
    assert "4 of 4" in ended.out
    ElementTree.parse(svg)


def test_a_picture_that_cannot_be_written_is_said_before_anything_is_measured(
    run: Run, tmp_path: Path
) -> None:
    ended = run(*SMALL, "--svg", tmp_path / "none" / "picture.svg")
    assert (ended.code, ended.out) == (2, "")
    assert str(tmp_path / "none") in ended.err
    assert "making" not in ended.err


def test_a_picture_over_a_directory_is_one_sentence(run: Run, tmp_path: Path) -> None:
    ended = run(*SMALL, "--svg", tmp_path)
    assert ended.code == 2
    assert "cannot be written" in ended.err


def test_fobs_that_failed_are_counted_while_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with Meanwhile("provisioning", 2) as meanwhile:
        meanwhile.see(fob(0))
        meanwhile.see(fob(1, fault="torn off"))
    said = capsys.readouterr()
    assert said.err == "provisioning: 1 of 2\nprovisioning, 1 failed: 2 of 2\n"
    assert not said.out


def test_on_a_terminal_there_is_a_bar() -> None:
    primary, secondary = os.openpty()
    with os.fdopen(primary, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            [sys.executable, "-m", "kfasync", *SMALL],
            stdout=subprocess.PIPE,
            stderr=secondary,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(secondary)
        shown = b""
        try:
            while part := terminal.read(4096):
                shown += part
        except OSError:  # how Linux says that the other end is closed
            pass
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"provisioning" in shown
    assert b"4/4" in shown
    assert b"4 of 4" in out
