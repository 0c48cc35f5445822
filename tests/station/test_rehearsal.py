from pathlib import Path

import anyio
import pytest

from kfasync.audit.record import AttemptRecord
from kfasync.model import Outcome
from kfasync.sim.faults import Fault, FaultKind
from kfasync.station.events import LaneEvent, LaneState
from kfasync.station.rehearsal import rehearse
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
