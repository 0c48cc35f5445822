import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kfasync.cards.lifeline import Lifeline
from kfasync.errors import HungCardError

NAME = "pcscd.comm"  # as PCSCLITE_CSOCK_NAME of this test session ends, too
PATIENCE_S = 20.0


class Daemon:
    """Listens and never answers, as one does whose card hangs."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(self.address)
        self._listening.listen()

    def client(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.connect(self.address)
        return client

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path / NAME)
    yield daemon
    daemon.close()


@pytest.fixture
def cancelled() -> list[str]:
    return []


@pytest.fixture
def lifeline(cancelled: list[str]) -> Iterator[Lifeline]:
    lifeline = Lifeline("the reader", lambda: cancelled.append("cancelled"))
    yield lifeline
    lifeline.close()


def test_severing_ends_the_call_that_waits(lifeline: Lifeline, daemon: Daemon) -> None:
    waits = threading.Event()

    def call() -> bytes:
        with lifeline.call():
            waits.set()
            return client.recv(1)

    with lifeline.making():
        client = daemon.client()
    with client, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call)
        assert waits.wait(PATIENCE_S)
        lifeline.sever()
        assert answer.result(PATIENCE_S) == b""
    assert lifeline.cut


def test_a_cut_link_takes_only_the_last_call(lifeline: Lifeline, daemon: Daemon) -> None:
    with lifeline.making():
        client = daemon.client()
    with client:
        with lifeline.call():
            lifeline.sever()
        with pytest.raises(HungCardError, match="the reader"), lifeline.call():
            pytest.fail("nothing may be said on a link that was cut")
        with lifeline.call(last=True):
            pass


def test_severing_does_nothing_between_two_calls(lifeline: Lifeline, daemon: Daemon) -> None:
    lifeline.sever()
    with lifeline.making():
        client = daemon.client()
    with client:
        lifeline.sever()
        with lifeline.call():
            pass
        lifeline.sever()
        assert not lifeline.cut
        client.sendall(b"still there")


def test_aborting_fails_the_next_call(lifeline: Lifeline, daemon: Daemon) -> None:
    with lifeline.making():
        client = daemon.client()
    with client:
        lifeline.abort()
        with pytest.raises(HungCardError), lifeline.call():
            pytest.fail("nothing may be said on a link that was cut")


def test_aborting_before_the_link_is_made_keeps_it_from_being_made(lifeline: Lifeline) -> None:
    lifeline.abort()
    with pytest.raises(HungCardError), lifeline.making():
        pytest.fail("the link is not to be made")


def test_severing_ends_the_making_of_a_link(lifeline: Lifeline, daemon: Daemon) -> None:
    waits = threading.Event()

    def make() -> None:
        with lifeline.making(), daemon.client() as client:
            waits.set()
            assert client.recv(1) == b""

    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(make)
        assert waits.wait(PATIENCE_S)
        lifeline.sever()
        with pytest.raises(HungCardError):
            made.result(PATIENCE_S)


def test_other_sockets_that_are_opened_meanwhile_are_left_alone(
    lifeline: Lifeline, daemon: Daemon, tmp_path: Path
) -> None:
    stranger = Daemon(tmp_path / "postgresql.comm")
    with lifeline.making():
        others = [*socket.socketpair(), stranger.client(), socket.socket(socket.AF_INET)]
        client = daemon.client()
    with client, lifeline.call():
        lifeline.sever()
        assert client.recv(1) == b""
    others[0].sendall(b"through")
    assert others[1].recv(7) == b"through"
    others[2].sendall(b"through")
    for other in others:
        other.close()
    stranger.close()


def test_a_file_that_inherits_the_number_of_the_socket_is_left_alone(
    lifeline: Lifeline, daemon: Daemon
) -> None:
    with lifeline.making():
        client = daemon.client()
    number = client.fileno()
    client.close()
    ends = socket.socketpair()
    assert number in [end.fileno() for end in ends]
    with lifeline.call():
        lifeline.sever()
    ends[0].sendall(b"through")
    assert ends[1].recv(7) == b"through"
    for end in ends:
        end.close()


def test_without_a_socket_to_be_found_the_call_is_cancelled(
    lifeline: Lifeline, cancelled: list[str]
) -> None:
    with lifeline.making():
        pass
    with lifeline.call():
        lifeline.sever()
    assert cancelled == ["cancelled"]
    assert not lifeline.cut
