"""The worker's side, spoken to without the station's: what it inherits, says, and keeps quiet."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from kfasync.sources.provider.memory import SECRETS_SIZE, Arena
from kfasync.sources.provider.wire import (
    READY,
    Answer,
    Call,
    Done,
    Granted,
    Lease,
    Opened,
    Refused,
    Request,
)
from tests.native_build import ROOT
from tests.sources.provider.hosts import GUILTY, opening, secrets_of
from tests.station.desks import unit


class Line:
    """A worker, its first seat, and every byte that it has sent to it."""

    def __init__(self, process: subprocess.Popen[bytes], arena: Arena) -> None:
        self.process = process
        self.secrets = arena.seats[0].secrets
        self.heard = b""
        self.stream: socket.socket
        self.second: socket.socket
        self.control: socket.socket

    def ask(self, number: int, call: Call) -> Answer:
        data = msgspec.msgpack.encode(Request(number, 5000, call))
        self.stream.sendall(len(data).to_bytes(4) + data)
        return self.hear()

    def hear(self) -> Answer:
        size = int.from_bytes(self._read(4))
        return msgspec.msgpack.decode(self._read(size), type=Answer)

    def _read(self, size: int) -> bytes:
        data = self.stream.recv(size, socket.MSG_WAITALL)
        self.heard += data
        assert len(data) == size
        return data


@contextmanager
def worker(parent: int | None = None) -> Iterator[Line]:
    arena, memory = Arena.create(2, guarded=False)
    pairs = [socket.socketpair() for _ in range(3)]
    inherited = [memory, *(theirs.fileno() for _, theirs in pairs)]
    process = subprocess.Popen(
        [sys.executable, "-m", "kfasync.sources.provider.worker"]
        + [str(number) for number in (parent or os.getpid(), 1, *inherited)],
        cwd=ROOT,
        pass_fds=inherited,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    os.close(memory)
    for _, theirs in pairs:
        theirs.close()
    line = Line(process, arena)
    line.control, line.stream, line.second = (ours for ours, _ in pairs)
    try:
        yield line
    finally:
        for ours, _ in pairs:
            ours.close()
        with process:
            assert process.stdout is not None
            assert process.stdout.read() == b""
        arena.close()


def test_a_worker_says_when_it_can_be_asked() -> None:
    with worker() as line:
        assert line.hear() == Answer(READY, 0, Done())


def test_secrets_are_in_the_shared_memory_and_never_on_the_wire() -> None:
    with worker() as line:
        line.hear()
        assert isinstance(line.ask(1, opening()).result, Opened)
        granted = line.ask(2, Lease(unit(1))).result
        assert isinstance(granted, Granted)
        written = bytes(line.secrets.tail(granted.slip.secrets_capacity))
        for secret in (*secrets_of(1), *(bytes((0xE0 + tag,)) * 16 for tag in (1, 2, 3))):
            assert secret in written
            assert secret[:4] not in line.heard
        assert len(line.heard) < 1000
        assert SECRETS_SIZE > 1000


@pytest.mark.parametrize("misbehave", ["print", "complain"])
def test_what_is_printed_is_counted_and_not_shown(misbehave: str) -> None:
    with worker() as line:
        line.hear()
        line.ask(1, opening(misbehave))
        printed = [line.ask(n, Lease(unit(of))).printed for n, of in ((2, GUILTY), (3, 1))]
        assert printed == [len("all your keys"), 0]
        assert b"all your keys" not in line.heard


def test_each_seat_answers_for_what_may_have_been_printed_on_its_behalf() -> None:
    # Or the answer that comes first would take the blame along, and leave the guilty one without.
    with worker() as line:
        line.hear()
        line.ask(1, opening("print"))
        assert line.ask(2, Lease(unit(GUILTY))).printed == len("all your keys")
        line.stream, line.second = line.second, line.stream
        assert line.ask(3, Lease(unit(2))).printed == len("all your keys")
        assert line.ask(4, Lease(unit(3))).printed == 0


def test_a_flood_of_output_fills_nothing() -> None:
    with worker() as line:
        line.hear()
        line.ask(1, opening("flood"))
        answer = line.ask(2, Lease(unit(GUILTY)))
        assert answer.printed == 64 * 1024


def test_a_refusal_is_heard_and_the_worker_goes_on() -> None:
    with worker() as line:
        line.hear()
        line.ask(1, opening(result=-100))
        assert isinstance(line.ask(2, Lease(unit(GUILTY))).result, Refused)
        assert isinstance(line.ask(3, Lease(unit(1))).result, Granted)


def test_a_worker_has_no_core_file_and_dies_with_its_parent() -> None:
    with worker() as line:
        line.hear()
        limits = Path(f"/proc/{line.process.pid}/limits").read_text()
        (core,) = (row.split()[4:6] for row in limits.splitlines() if "core file size" in row)
        assert core == ["0", "0"]
    assert line.process.returncode == 0


def test_a_worker_ends_with_the_control_stream_even_when_its_library_hangs() -> None:
    with worker() as line:
        line.hear()
        line.ask(1, opening("hang"))
        data = msgspec.msgpack.encode(Request(2, 5000, Lease(unit(GUILTY))))
        line.stream.sendall(len(data).to_bytes(4) + data)
        line.control.close()
        assert line.process.wait(30) == 0


def test_a_worker_whose_parent_is_gone_already_does_not_stay() -> None:
    with worker(parent=os.getppid()) as line:
        assert line.process.wait(30) == 0


@pytest.mark.parametrize("garbage", [b"\0\0\0\x02{}", b"\xff\xff\xff\xff"])
def test_a_worker_that_hears_nonsense_ends_as_a_fault_of_ours(garbage: bytes) -> None:
    with worker() as line:
        line.hear()
        line.stream.sendall(garbage)
        assert line.process.wait(30) == 70


def test_a_worker_without_its_memory_says_so_by_its_status() -> None:
    ours, theirs = socket.socketpair()
    arguments = [os.getpid(), 1, theirs.fileno(), theirs.fileno(), theirs.fileno()]
    ended = subprocess.run(
        [sys.executable, "-m", "kfasync.sources.provider.worker", *map(str, arguments)],
        cwd=ROOT,
        pass_fds=[theirs.fileno()],
        check=False,
    )
    assert ended.returncode == 71
    ours.close()
    theirs.close()


def test_a_library_that_ends_the_process_ends_it() -> None:
    with worker() as line:
        line.hear()
        line.ask(1, opening("segfault"))
        data = msgspec.msgpack.encode(Request(2, 5000, Lease(unit(GUILTY))))
        line.stream.sendall(len(data).to_bytes(4) + data)
        assert line.process.wait(30) == -signal.SIGSEGV
