"""Messages over a stream: whole however they arrive, and anything else is an error."""

import socket
import threading
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.errors import ProviderError, SourceError, SourceUnavailableError
from kfasync.model import Outcome, Touched
from kfasync.sources.provider.wire import (
    MESSAGE_MAX,
    Abort,
    Answer,
    Call,
    Cancel,
    Close,
    Commit,
    Count,
    Done,
    Lease,
    Open,
    Opened,
    Refused,
    Request,
    Wire,
)
from tests.station.desks import unit

CALLS: list[Call] = [
    Open("/lib/it.so", "ab" * 32, b"{}"),
    Lease(unit(1)),
    Commit("one", Outcome.PASS),
    Abort("one", Touched.PARTIAL),
    Count(),
    Close(),
]


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Wire[Request]]]:
    ours, theirs = socket.socketpair()
    wire = Wire(theirs, Request)
    yield ours, wire
    ours.close()
    wire.close()


def encoded(message: Request | Answer | Cancel) -> bytes:
    data = msgspec.msgpack.encode(message)
    return len(data).to_bytes(4) + data


def test_every_call_arrives_as_it_was_sent(ends: tuple[socket.socket, Wire[Request]]) -> None:
    ours, wire = ends
    sender = Wire(ours, Answer)
    for number, call in enumerate(CALLS):
        sender.send(Request(number, 5000, call))
    assert [wire.receive() for _ in CALLS] == [
        Request(number, 5000, call) for number, call in enumerate(CALLS)
    ]


@given(cuts=st.lists(st.integers(1, 40), max_size=20))
def test_a_message_is_whole_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    ours, theirs = socket.socketpair()
    wire = Wire(theirs, Request)
    data = b"".join(encoded(Request(number, 1, call)) for number, call in enumerate(CALLS))
    got: list[Request] = []
    reader = threading.Thread(target=lambda: got.extend(wire.receive() for _ in CALLS))
    reader.start()
    for cut in cuts:
        ours.sendall(data[:cut])
        data = data[cut:]
    ours.sendall(data)
    reader.join()
    assert [request.call for request in got] == CALLS
    ours.close()
    wire.close()


def test_the_end_of_the_stream_is_one(ends: tuple[socket.socket, Wire[Request]]) -> None:
    ours, wire = ends
    ours.sendall(encoded(Request(1, 1, Count()))[:-1])
    assert wire.read() is None
    ours.shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        wire.receive()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\0\0\0\x02{}", id="not a message"),
        pytest.param(b"\0\0\0\0", id="nothing"),
        pytest.param((MESSAGE_MAX + 1).to_bytes(4), id="too large"),
        pytest.param(encoded(Cancel(0, 1)), id="another message"),
    ],
)
def test_what_is_no_message_is_a_value_error(
    ends: tuple[socket.socket, Wire[Request]], data: bytes
) -> None:
    ours, wire = ends
    ours.sendall(data)
    with pytest.raises(ValueError, match=r".*"):
        wire.receive()


def test_a_message_that_is_too_large_is_not_sent(
    ends: tuple[socket.socket, Wire[Request]],
) -> None:
    _, wire = ends
    with pytest.raises(ValueError, match="bytes; 1048576 is the most"):
        wire.send(Request(1, 1, Open("/", "", bytes(MESSAGE_MAX))))


@pytest.mark.parametrize(
    ("error", "breach"),
    [
        (ProviderError(-100, "empty", pool_empty=True), False),
        (ProviderError(-101, "not for this one"), False),
        (ProviderError(None, "lied"), True),
        (SourceUnavailableError("later"), False),
    ],
)
def test_an_error_comes_out_as_it_went_in(error: SourceError, breach: bool) -> None:
    refused = Refused.of(error)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(refused), type=Refused).error()
    assert (type(again), str(again), again.retryable) == (type(error), str(error), error.retryable)
    assert vars(again) == vars(error)


def test_an_answer_to_another_question_is_not_taken_for_facts() -> None:
    with pytest.raises(ProviderError, match="answered another question"):
        Opened.expect(Done(), None)
