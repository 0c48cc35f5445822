"""A worker from the station's side: whatever its library does is an answer or its end."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kfasync.crypto.heap import HeapVault
from kfasync.errors import ProviderError, SourceUnavailableError
from kfasync.model import Outcome
from kfasync.sources.provider.memory import Seat
from kfasync.sources.provider.parcel import Unpacked, unpack
from kfasync.sources.provider.remote import LostError, Worker
from kfasync.sources.provider.wire import Call, Commit, Done, Granted, Lease, Opened, Result
from tests.sources.provider.hosts import (
    DEADLINE_S,
    GUILTY,
    PATIENT,
    children,
    descriptors,
    opening,
    require_right,
    waiting_room,
)
from tests.station.desks import unit

SEATS = 2


@contextmanager
def worker(misbehave: str = "", **further: object) -> Iterator[Worker]:
    made = Worker.spawn(SEATS, lock=True)
    try:
        made.await_ready()
        made.call(0, opening(misbehave, **further), DEADLINE_S, Opened.expect)
        yield made
    finally:
        made.dismiss()
        assert not made.alive


def take(result: Result, seat: Seat) -> Unpacked:
    assert isinstance(result, Granted)
    return unpack("it", result.slip, seat, HeapVault())


def lease(made: Worker, number: int, seat: int = 0, deadline_s: float = DEADLINE_S) -> Unpacked:
    return made.call(seat, Lease(unit(number)), deadline_s, take)


def test_what_a_lease_brought_is_taken_and_wiped() -> None:
    with worker() as made:
        seats: list[Seat] = []

        def keep(result: Result, seat: Seat) -> Unpacked:
            seats.append(seat)
            return take(result, seat)

        require_right(made.call(1, Lease(unit(3)), DEADLINE_S, keep), 3)
        assert not any(seats[0].secrets.tail(seats[0].secrets.size))


@pytest.mark.parametrize(
    ("misbehave", "cause"),
    [
        ("segfault", "crashed with SIGSEGV"),
        ("abort", "crashed with SIGABRT"),
        ("kill", "crashed with SIGKILL"),
        ("exit", "ended its process with exit status 3"),
        ("_exit", "ended its process with exit status 0"),
        ("overflow-items", "crashed with SIGSEGV"),
        ("overflow-secrets", "crashed with SIGSEGV"),
        ("print", "printed 13 bytes, which may be anything,"),
        ("complain", "printed 13 bytes, which may be anything,"),
        ("babble", "wrote into the connection to the station"),
        ("close-all", "closed the connection to the station"),
    ],
)
def test_a_worker_that_is_lost_is_told_by_its_end(misbehave: str, cause: str) -> None:
    with worker(misbehave) as made:
        with pytest.raises(LostError) as caught:
            lease(made, GUILTY)
        assert (caught.value.cause, caught.value.guilty) == (cause, True)
        assert not made.alive
        with pytest.raises(LostError) as again:
            lease(made, 1)
        assert not again.value.guilty


def test_a_library_that_hangs_is_ended_after_its_deadline() -> None:
    with worker("hang") as made:
        with pytest.raises(LostError, match=r"did not return within 0\.1 s") as caught:
            lease(made, GUILTY, deadline_s=0.1)
        assert caught.value.guilty


def test_a_library_that_waits_is_told_to_stop_and_lives() -> None:
    with worker("slow") as made:
        with pytest.raises(SourceUnavailableError, match="was told to stop"):
            lease(made, GUILTY, deadline_s=0.1)
        require_right(lease(made, 1), 1)


@pytest.mark.parametrize("misbehave", ["lie-items", "lie-secrets", "cut", "unterminated", "fesn"])
def test_a_library_that_lies_is_ended(misbehave: str) -> None:
    with worker(misbehave) as made:
        with pytest.raises(ProviderError) as caught:
            lease(made, GUILTY)
        assert caught.value.code is None
        assert not made.alive


def test_a_library_that_refuses_lives() -> None:
    with worker(result=-100) as made:
        with pytest.raises(ProviderError, match="no free content left"):
            lease(made, GUILTY)
        require_right(lease(made, 1), 1)


def test_with_two_calls_on_their_way_nobody_is_guilty(tmp_path: Path) -> None:
    lost: list[bool] = []

    def ask(number: int, seat: int) -> None:
        try:
            lease(made, number, seat)
        except LostError as error:
            lost.append(error.guilty)

    with (
        waiting_room(tmp_path) as await_one,
        worker("segfault", directory=str(tmp_path)) as made,
    ):
        patient = threading.Thread(target=ask, args=(PATIENT, 0))
        patient.start()
        await_one()
        ask(GUILTY, 1)
        patient.join()
    assert lost == [False, False]


def test_a_worker_that_died_before_it_was_asked_is_nobodys_fault() -> None:
    with worker() as made:
        (pid,) = children()
        os.kill(pid, 9)
        with pytest.raises(LostError) as caught:
            lease(made, 1)
        assert (caught.value.cause, caught.value.guilty) == ("crashed with SIGKILL", False)


def test_an_end_is_told() -> None:
    with worker() as made:
        call: Call = Commit("lease-1", Outcome.PASS)
        assert made.call(0, call, DEADLINE_S, lambda result, seat: result) == Done()


@pytest.mark.parametrize("misbehave", ["", "hang", "segfault"])
def test_nothing_is_left_of_a_worker(misbehave: str) -> None:
    with worker():
        pass  # what is loaded for good the first time is not counted
    before = descriptors()
    with worker(misbehave, call="close", unit=0) as made:
        lease(made, 1)
        lease(made, 2, seat=1)
        assert len(children()) == 1
    assert children() == {}
    assert descriptors() == before
