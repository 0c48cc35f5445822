"""Decisions at a station that runs; from the command line in tests/cli/test_ledger.py."""

import json
from pathlib import Path

import pytest

from kfasync.errors import LedgerError, UnitError
from kfasync.model import Unit
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import SimulatedFob
from kfasync.station.decisions import ResolvedAs
from tests.klms.world import ServerProcess
from tests.station.desks import floor, furnish, uid
from tests.station.keyserver import keys_of_fob, loaded_station, make_klms, pool

pytestmark = pytest.mark.anyio
LAST = 15  # the command that moves the applet to FACTORY


async def test_a_fob_in_doubt_is_decided_on_while_the_station_runs(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        fob = place.fobs.faulty(FaultKind.TORN_AFTER, LAST)
        assert (await place.serve("A", fob)).disposition == "in-doubt"
        decisions, uid = place.station.decisions, fob.uid.hex()
        for wrong in ("04" * 7, "no hex"):
            with pytest.raises(LedgerError):
                await decisions.resolve(wrong, ResolvedAs.FAIL, "why")
        desk = place.desk
        unit = Unit(fob.uid, fob.uid, b"", bytes.fromhex(desk.profile.aid), "")
        with desk.roster.working_on(unit, "A"), pytest.raises(UnitError, match="at this moment"):
            await decisions.resolve(uid, ResolvedAs.FAIL, "why")
        await decisions.resolve(uid, ResolvedAs.FAIL, "why")
        assert desk.ledger.unfinished() == []
        assert (await place.serve("A", fob)).cause == "UnitRejectedError"
    records = [json.loads(text) for (text,) in place.sql("SELECT json FROM record")]
    assert [one["message"] for one in records if one["disposition"] == "resolved"] == ["why"]


async def test_a_key_server_that_has_heard_of_the_end_hears_of_no_other(tmp_path: Path) -> None:
    directory = make_klms(tmp_path / "klms", 2)
    with ServerProcess(directory) as server:
        async with floor(loaded_station(server, directory)) as place:
            torn = Fault(FaultKind.TORN_AFTER, LAST)
            fob = SimulatedFob(uid=uid(1), keys=keys_of_fob(directory, uid(1)), faults=[torn])
            assert (await place.serve("A", fob)).disposition == "in-doubt"
            await place.told()
            await place.station.decisions.resolve(fob.uid.hex(), ResolvedAs.FAIL, "lost")
            await place.told()
        assert pool(server) == (1, 1, 0, 0)  # it stays the fob's, and no other one's


async def test_what_is_said_of_a_lane_is_a_record_and_in_the_audit_log(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        await place.station.decisions.of_lane(3, "R 03", "resumed", "page", "keys checked")
    line = json.loads((place.directory / "audit.jsonl").read_text("utf-8").splitlines()[-1])
    said = {name: line[name] for name in ("slot", "reader", "disposition", "by", "message")}
    assert said == {
        "slot": 3,
        "reader": "R 03",
        "disposition": "resumed",
        "by": "page",
        "message": "keys checked",
    }
