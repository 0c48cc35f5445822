"""Fixtures of the command line's tests."""

from pathlib import Path

import pytest

from tests.cli.terminal import Run, runner
from tests.pcscd.floor import write_config


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    # Wide enough that no sentence is broken in two.
    monkeypatch.setenv("COLUMNS", "200")
    return runner(capsys)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)
