"""How a process ends, and what is said of it."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfasync.sources.provider.memory import Arena
from kfasync.sources.provider.process import Process
from tests.sources.provider.hosts import children

PATIENCE_S = 30.0


@pytest.fixture
def process() -> Iterator[Process]:
    """A worker that waits for its first request."""
    arena, memory = Arena.create(1, guarded=False)
    pairs = [socket.socketpair() for _ in range(2)]
    started = Process.start(
        lock=True, inherited=(memory, *(theirs.fileno() for _, theirs in pairs))
    )
    os.close(memory)
    for _, theirs in pairs:
        theirs.close()
    yield started
    started.end()
    started.close()
    arena.close()
    for ours, _ in pairs:
        ours.close()


def test_a_process_that_could_not_begin_is_told_by_its_status() -> None:
    started = Process.start(lock=True, inherited=())  # which is not enough to work with
    assert started.cause == ""
    assert started.await_end(PATIENCE_S)
    assert not started.alive
    started.end()
    assert started.cause == "ended its process with exit status 1"
    assert children() == {}
    started.close()


def test_a_cause_that_is_known_stands_and_the_first_one_stays(process: Process) -> None:
    assert process.alive
    process.end("was in the way")
    process.end("was something else")
    assert process.cause == "was in the way"
    assert not process.alive


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (signal.SIGSEGV, "crashed with SIGSEGV"),
        (signal.SIGKILL, "crashed with SIGKILL"),
        (signal.SIGRTMIN + 1, f"crashed with signal {signal.SIGRTMIN + 1}"),
    ],
)
def test_a_signal_is_told_by_its_name(process: Process, number: int, cause: str) -> None:
    (pid,) = children()
    os.kill(pid, number)
    assert process.await_end(PATIENCE_S)
    process.end()
    assert process.cause == cause


def test_a_process_is_not_in_the_terminals_group(process: Process) -> None:
    (pid,) = children()
    assert os.getpgid(pid) == os.getsid(pid) == pid != os.getpgrp()


def test_its_end_can_be_waited_for_as_a_descriptor(process: Process) -> None:
    assert "pidfd" in str(Path(f"/proc/self/fd/{process.fileno()}").readlink())
