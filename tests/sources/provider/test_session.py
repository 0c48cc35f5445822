"""Calls by seat: each with a context of its own, and a cancel that hits nobody else."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from kfasync.sources.provider.memory import Arena
from kfasync.sources.provider.session import Session
from kfasync.sources.provider.wire import (
    Call,
    Close,
    Count,
    Done,
    Granted,
    Lease,
    Opened,
    Refused,
    Request,
    Result,
)
from tests.sources.provider.hosts import GUILTY, opening
from tests.station.desks import unit

SEATS = 2


class Table:
    """A session of two seats, and its requests counted."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.number = 0

    def ask(self, seat: int, call: Call) -> Result:
        self.number += 1
        return self.session.perform(seat, Request(self.number, 5000, call))


@contextmanager
def table(misbehave: str = "", *flags: str, **further: object) -> Iterator[Table]:
    arena, descriptor = Arena.create(SEATS, guarded=True)
    os.close(descriptor)
    laid = Table(Session(arena.seats))
    assert isinstance(laid.ask(0, opening(misbehave, *flags, **further)), Opened)
    yield laid
    for seat in range(SEATS):
        assert laid.ask(seat, Close()) == Done()
    arena.close()


def test_a_seat_that_is_used_for_the_first_time_opens_a_context_of_its_own() -> None:
    with table() as laid:
        for seat in (1, 0, 1):
            assert isinstance(laid.ask(seat, Lease(unit(seat))), Granted)


def test_a_refusal_is_an_answer() -> None:
    with table(result=-100) as laid:
        refused = laid.ask(0, Lease(unit(GUILTY)))
        assert isinstance(refused, Refused)
        assert (refused.code, refused.retryable, refused.breach) == (-100, False, False)


def test_a_broken_rule_is_an_answer_that_says_so() -> None:
    with table("unterminated") as laid:
        refused = laid.ask(0, Lease(unit(GUILTY)))
        assert isinstance(refused, Refused)
        assert refused.breach


def test_what_cannot_be_loaded_is_an_answer() -> None:
    arena, descriptor = Arena.create(1, guarded=True)
    os.close(descriptor)
    pinned = msgspec.structs.replace(opening(), sha256="0" * 64)
    refused = Session(arena.seats).perform(0, Request(1, 5000, pinned))
    assert isinstance(refused, Refused)
    assert "not the file that was approved" in refused.text
    arena.close()


def test_nothing_can_be_asked_before_a_library_is_there() -> None:
    arena, descriptor = Arena.create(1, guarded=True)
    os.close(descriptor)
    with pytest.raises(ValueError, match="no library"):
        Session(arena.seats).perform(0, Request(1, 5000, Count()))
    arena.close()


def test_a_cancel_is_for_one_request_of_one_seat() -> None:
    with table("slow") as laid:
        answers: list[Result] = []
        waiting = threading.Thread(target=lambda: answers.append(laid.ask(0, Lease(unit(GUILTY)))))
        waiting.start()
        # None of these is for it, and it would end at the first that reached it.
        for seat, number in ((0, 1), (0, 3), (1, 2)):
            laid.session.cancel(seat, number)
        assert isinstance(laid.session.perform(1, Request(99, 5000, Lease(unit(1)))), Granted)
        assert not answers
        while waiting.is_alive():
            laid.session.cancel(0, 2)
            waiting.join(0.001)
        (refused,) = answers
        assert isinstance(refused, Refused)
        assert (refused.retryable, refused.breach) == (True, False)


def test_the_answer_to_a_lease_holds_no_secret_of_it() -> None:
    with table() as laid:
        granted = msgspec.msgpack.encode(laid.ask(0, Lease(unit(1))))
        assert b"HOST0001" in granted
        for byte in (0xE1, 0xE2, 0xE3, 0xA1, 0xB1):
            assert bytes((byte,)) * 4 not in granted
