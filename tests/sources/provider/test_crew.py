"""One worker at work and a spare behind it: who is guilty fails, and nobody else."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from kfasync.crypto.heap import HeapVault
from kfasync.errors import ProviderError, SourceError, SourceUnavailableError
from kfasync.sources.provider.crew import Crew
from kfasync.sources.provider.memory import Seat
from kfasync.sources.provider.parcel import Unpacked, unpack
from kfasync.sources.provider.patience import ANSWERS, FIRST_S, Patience
from kfasync.sources.provider.wire import Granted, Lease, Result
from tests.sources.provider.hosts import (
    DEADLINE_S,
    GUILTY,
    PATIENT,
    children,
    opening,
    require_right,
    waiting_room,
)
from tests.sources.provider.test_patience import Clock
from tests.station.desks import unit

SEATS = 4


@contextmanager
def crew(
    misbehave: str = "", patience: Patience | None = None, **further: object
) -> Iterator[Crew]:
    ask = opening(misbehave, **further)
    made = Crew(ask, SEATS, DEADLINE_S, lock=True, patience=patience)
    try:
        yield made
    finally:
        made.close()
        made.close()
        assert children() == {}


def take(result: Result, seat: Seat) -> Unpacked:
    assert isinstance(result, Granted)
    return unpack("it", result.slip, seat, HeapVault())


def lease(made: Crew, number: int, seat: int = 0, deadline_s: float = DEADLINE_S) -> Unpacked:
    return made.call(seat, Lease(unit(number)), deadline_s, take)


def test_the_next_lease_is_answered_by_the_spare() -> None:
    with crew("segfault") as made:
        require_right(lease(made, 1), 1)
        for _ in range(2):
            with pytest.raises(ProviderError, match="crashed with SIGSEGV during lease"):
                lease(made, GUILTY)
            require_right(lease(made, 1), 1)


def test_calls_beside_the_guilty_one_are_answered(tmp_path: Path) -> None:
    with (
        waiting_room(tmp_path) as await_one,
        crew("segfault", directory=str(tmp_path)) as made,
        ThreadPoolExecutor() as lanes,
    ):
        beside = [lanes.submit(lease, made, PATIENT + seat, seat) for seat in range(SEATS - 1)]
        for _ in beside:
            await_one()
        # All of them wait inside the library now, and would wait for ever.
        with pytest.raises(ProviderError, match="crashed with SIGSEGV"):
            lease(made, GUILTY, SEATS - 1)
        for number, future in enumerate(beside):
            assert future.result().content.fesn == f"HOST{PATIENT + number:04}"


@pytest.mark.parametrize("misbehave", ["segfault", "exit", "print", "lie-secrets", "hang"])
def test_lanes_go_on_whatever_one_of_them_does(misbehave: str) -> None:
    over = threading.Event()

    def work(seat: int) -> int:
        count = 0
        while not over.is_set() or not count:
            require_right(lease(made, 20 + seat, seat), 20 + seat)
            count += 1
        return count

    with crew(misbehave) as made, ThreadPoolExecutor() as lanes:
        lease(made, 1)
        working = [lanes.submit(work, seat) for seat in range(1, SEATS)]
        try:
            for _ in range(2):
                with pytest.raises(ProviderError):
                    lease(made, GUILTY, deadline_s=0.1)
        finally:
            over.set()
        assert all(future.result() for future in working)


def test_a_worker_that_dies_while_nobody_asks_is_nobodys_error() -> None:
    with crew() as made:
        lease(made, 1)
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        require_right(lease(made, 2), 2)


def test_a_library_that_does_not_open_is_asked_again_by_the_next_one(tmp_path: Path) -> None:
    with crew("segfault", call="open", unit=0, directory=str(tmp_path)) as made:
        for _ in range(2):
            with pytest.raises(ProviderError, match="crashed with SIGSEGV during open"):
                made.facts()
        (tmp_path / "well-0").touch()
        assert made.facts().name == "hostile"


def test_a_library_that_hangs_at_the_start_is_ended() -> None:
    ask = opening("hang", call="open", unit=0)
    made = Crew(ask, SEATS, 0.1, lock=True)
    with pytest.raises(ProviderError, match=r"did not return within 0\.1 s"):
        made.facts()
    made.close()


def test_all_lanes_hear_why_there_is_no_library() -> None:
    def ask(seat: int) -> str:
        try:
            lease(made, seat, seat)
        except SourceError as error:
            return str(error)
        return ""

    with crew("config") as made, ThreadPoolExecutor() as lanes:
        for sentence in lanes.map(ask, range(SEATS)):
            assert "does not accept its configuration" in sentence


def test_a_library_that_is_never_available_again_is_started_anew() -> None:
    clock = Clock()
    with crew("stuck", Patience(clock)) as made:
        require_right(lease(made, 1), 1)
        for number in (GUILTY, *[1] * (2 * ANSWERS)):
            with pytest.raises(SourceUnavailableError, match="not available"):
                lease(made, number)
        clock.now_s += FIRST_S
        with pytest.raises(SourceUnavailableError, match="not available"):
            lease(made, 1)
        require_right(lease(made, 1), 1)


def test_a_closed_crew_answers_nobody() -> None:
    with crew("slow") as made, pytest.raises(SourceUnavailableError):
        lease(made, GUILTY, deadline_s=0.1)
    with pytest.raises(ValueError, match="closed"):
        lease(made, 1)
