"""Fixtures of the command line's tests."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfasync.cli.signals import SIGNALS
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


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """A station leaves its signals ignored, for its process is at its end; this one goes on."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)
