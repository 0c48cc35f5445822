from pathlib import Path

import anyio
import pytest

from kfasync.audit.record import AttemptRecord
from kfasync.model import Outcome
from kfasync.sim.faults import Fault, FaultKind
from kfasync.station.assembly import open_station
from kfasync.station.events import LaneEvent
from kfasync.station.rehearsal import Understudy, new_fob, rehearse
from kfasync.station.states import LaneState
from tests.station.desks import PATIENCE_S, Fobs, furnish, sql

pytestmark = pytest.mark.anyio


class Audience:
    def __init__(self) -> None:
        self.states: list[LaneState] = []
        self.records: list[AttemptRecord] = []

    def see(self, event: LaneEvent) -> None:
        self.states.append(event.state)
        if event.record is not None:
            self.records.append(event.record)


async def test_every_fob_of_the_tray_has_its_turn(tmp_path: Path) -> None:
    loaded, audience = furnish(tmp_path, containers=9), Audience()
    fobs = Fobs(loaded)
    tray = [fobs.make() for _ in range(9)]
    with anyio.fail_after(PATIENCE_S):
        await rehearse(loaded, audience.see, ["A", "B", "C"], tray)
    assert {record.outcome for record in audience.records} == {Outcome.PASS.value}
    assert len({record.fesn for record in audience.records}) == 9
    assert {fob.personalizations for fob in tray} == {1}
    assert sql(tmp_path / "var", "SELECT DISTINCT state FROM content") == [("CONSUMED",)]


async def test_a_rehearsal_ends_when_every_lane_has_stopped(tmp_path: Path) -> None:
    loaded, audience = furnish(tmp_path), Audience()
    fobs = Fobs(loaded)
    wrong = Fault(FaultKind.STATUS_WORD, 4, sw=0x6982)
    tray = [fobs.make(wrong) for _ in range(9)]
    with anyio.fail_after(PATIENCE_S):
        await rehearse(loaded, audience.see, ["A"], tray)
    assert LaneState.STOPPED in audience.states
    assert 2 <= len(audience.records) <= 3


async def test_without_fobs_there_is_nothing_to_rehearse(tmp_path: Path) -> None:
    audience = Audience()
    with anyio.fail_after(PATIENCE_S):
        await rehearse(furnish(tmp_path), audience.see, ["A"], [])
    assert audience.records == []


async def test_an_understudy_never_tires_and_comes_back_to_a_lane_that_is_resumed(
    tmp_path: Path,
) -> None:
    loaded = furnish(tmp_path, containers=2)
    results: list[str] = []
    resumed = False
    understudy = Understudy(loaded, ["A"], lambda uid: loaded.config.key_set())

    def tell(event: LaneEvent) -> None:
        nonlocal resumed
        understudy.see(event)
        if event.record is not None:
            results.append(event.record.outcome)
        if event.state is LaneState.STOPPED and not resumed:
            resumed = True
            station.resume(1)

    async with open_station(loaded, understudy.readers, tell) as station:
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(understudy.work)
                await station.run(fobs=9)
                tasks.cancel_scope.cancel()
    # Two containers, and two fobs in a row without one stop the lane, each time.
    assert results == ["pass", "pass", "error", "error", "error", "error"]


def test_a_fob_as_it_comes_from_the_factory_fits_the_configuration(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    made = [new_fob(loaded, lambda uid: loaded.config.key_set()) for _ in range(2)]
    assert made[0].uid != made[1].uid
