"""A library in this very process: the same answers, and no more than a request to stop."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kfasync.crypto.heap import HeapVault
from kfasync.errors import ProviderError, SourceUnavailableError
from kfasync.sources.provider.inline import Inline
from kfasync.sources.provider.memory import Seat
from kfasync.sources.provider.parcel import Unpacked, unpack
from kfasync.sources.provider.wire import Granted, Lease, Result
from tests.sources.provider.hosts import DEADLINE_S, GUILTY, descriptors, opening, require_right
from tests.station.desks import unit

SEATS = 2


@contextmanager
def inline(
    misbehave: str = "", deadline_s: float = DEADLINE_S, **further: object
) -> Iterator[Inline]:
    made = Inline(opening(misbehave, **further), SEATS, deadline_s, lock=True)
    try:
        yield made
    finally:
        made.close()
        made.close()


def take(result: Result, seat: Seat) -> Unpacked:
    assert isinstance(result, Granted)
    return unpack("it", result.slip, seat, HeapVault())


def lease(made: Inline, number: int, seat: int = 0, deadline_s: float = DEADLINE_S) -> Unpacked:
    return made.call(seat, Lease(unit(number)), deadline_s, take)


def test_what_a_lease_brought_is_taken_and_wiped() -> None:
    seats: list[Seat] = []

    def keep(result: Result, seat: Seat) -> Unpacked:
        seats.append(seat)
        return take(result, seat)

    with inline() as made:
        require_right(made.call(1, Lease(unit(3)), DEADLINE_S, keep), 3)
        assert not any(seats[0].secrets.tail(seats[0].secrets.size))


def test_what_was_written_before_a_refusal_is_wiped() -> None:
    seats: list[Seat] = []
    with inline("latin") as made:
        made.call(0, Lease(unit(1)), DEADLINE_S, lambda result, seat: seats.append(seat))
        with pytest.raises(ProviderError, match="not UTF-8"):
            lease(made, GUILTY)
        assert not any(seats[0].secrets.tail(seats[0].secrets.size))


def test_calls_are_stopped_each_at_its_deadline() -> None:
    refused: list[str] = []

    def wait() -> None:
        try:
            lease(made, GUILTY, 1, deadline_s=0.3)
        except SourceUnavailableError as error:
            refused.append(str(error))

    with inline("slow") as made:
        longer = threading.Thread(target=wait)
        longer.start()
        for _ in range(2):  # a deadline before the one that the watch waits for, and once more
            with pytest.raises(SourceUnavailableError, match="was told to stop"):
                lease(made, GUILTY, 0, deadline_s=0.02)
        longer.join()
    assert len(refused) == 1


def test_a_library_that_does_not_open_leaves_nothing() -> None:
    with inline():
        pass  # what is loaded for good the first time is not counted
    files, threads = descriptors(), threading.active_count()
    with pytest.raises(ProviderError, match="does not accept its configuration"):
        Inline(opening("config"), SEATS, DEADLINE_S, lock=True)
    assert (descriptors(), threading.active_count()) == (files, threads)


def test_a_closed_library_answers_nobody() -> None:
    with inline() as made:
        assert made.facts().name == "hostile"
    with pytest.raises(ValueError, match="closed"):
        lease(made, 1)
