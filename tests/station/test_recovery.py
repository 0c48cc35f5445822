"""*Recovered* is proved by the card's own counter, and a second fob of one UID is told apart."""

from pathlib import Path
from typing import Any

import pytest

from kfasync.sim.applet import Lifecycle
from kfasync.sim.channel import IParam
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import FULL_I_PARAM, SimulatedFob
from kfasync.sim.personalization import Dgi
from kfasync.station.config import LoadedConfig, load
from tests.station.desks import (
    BLOCK_5,
    EXTERNAL_AUTHENTICATE,
    FIRST_BLOCK,
    GET_UID,
    LAST_BLOCK,
    ExpiringSource,
    Floor,
    floor,
    furnish,
    sql,
    uid,
)

pytestmark = pytest.mark.anyio

LOST = Fault(FaultKind.TORN_AFTER, LAST_BLOCK)  # FACTORY was reached, and nobody heard of it
SELECT = bytes.fromhex("00A40400")
COUNTS = {"initialize-update": True, "external-authenticate": False}


def knowing(directory: Path, when: str = "unknown", **furnished: Any) -> LoadedConfig:
    edit = {'# sequence_counter = "unknown" ': f'sequence_counter = "{when}" '}
    return furnish(directory, edits=edit, **furnished)


def holds(fob: SimulatedFob) -> tuple[bytes, ...]:
    return tuple(bytes(fob.stored[dgi].expose()) for dgi in (Dgi.PRIVATE_KEY, Dgi.SPID, Dgi.IRK))


async def lose(place: Floor, fob: SimulatedFob) -> str:
    """Bring a fob to FACTORY and lose the answer; the FESN that it has got."""
    record = await place.serve("A", fob)
    assert (record.disposition, fob.lifecycle) == ("in-doubt", Lifecycle.FACTORY)
    assert record.fesn is not None
    return record.fesn


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("when", ["unknown", *COUNTS])
async def test_a_fob_that_comes_back_at_once_is_recovered(
    tmp_path: Path, begun: bool, when: str
) -> None:
    """Before any other session every card says the same, whenever it counts."""
    async with floor(knowing(tmp_path, when)) as place:
        fob = place.fobs.make(LOST, counts_begun=begun)
        fesn = await lose(place, fob)
        record = await place.serve("A", fob)
        assert (record.disposition, record.fesn) == ("recovered", fesn)


@pytest.mark.parametrize("when", COUNTS)
@pytest.mark.parametrize(
    "torn",
    [EXTERNAL_AUTHENTICATE, FIRST_BLOCK],
    ids=["begun in between", "authenticated in between"],
)
async def test_sessions_of_this_station_in_between_are_explained(
    tmp_path: Path, when: str, torn: int
) -> None:
    async with floor(knowing(tmp_path, when)) as place:
        fob = place.fobs.make(LOST, counts_begun=COUNTS[when])
        fesn = await lose(place, fob)
        fob.plan(Fault(FaultKind.TORN_BEFORE, torn))
        records = [await place.serve("A", fob) for _ in range(2)]
        assert [record.disposition for record in records] == ["in-doubt", "recovered"]
        assert records[1].fesn == fesn


@pytest.mark.parametrize("begun", [True, False])
async def test_while_it_is_unknown_when_a_card_counts_a_begun_session_proves_nothing(
    tmp_path: Path, begun: bool
) -> None:
    async with floor(knowing(tmp_path)) as place:
        fob = place.fobs.make(LOST, counts_begun=begun)
        await lose(place, fob)
        fob.plan(Fault(FaultKind.TORN_BEFORE, EXTERNAL_AUTHENTICATE))
        records = [await place.serve("A", fob) for _ in range(2)]
        assert [record.disposition for record in records] == ["in-doubt"] * 2
        assert records[1].cause == "UnprovedError"
        assert "was begun and not authenticated" in records[1].message


async def test_an_expired_lease_begins_no_session_with_a_fob_in_doubt(tmp_path: Path) -> None:
    loaded = knowing(tmp_path)
    async with floor(loaded) as place:
        fob = place.fobs.make(LOST)
        await lose(place, fob)
    sent = len(fob.log)
    async with floor(loaded, around=ExpiringSource) as place:
        record = await place.serve("A", fob)
        assert (record.disposition, record.cause) == ("in-doubt", "LeaseExpiredError")
    assert {header for header, _ in fob.log[sent:]} == {GET_UID, SELECT}
    async with floor(loaded) as place:  # no session was begun that the counter would not know
        assert (await place.serve("A", fob)).disposition == "recovered"


async def test_a_card_without_a_counter_proves_nothing(tmp_path: Path) -> None:
    async with floor(knowing(tmp_path)) as place:
        fob = place.fobs.make(LOST, i_param=FULL_I_PARAM & ~IParam.PSEUDO_RANDOM_CHALLENGE)
        await lose(place, fob)
        record = await place.serve("A", fob)
        assert (record.disposition, record.cause) == ("in-doubt", "UnprovedError")
        assert "no sequence counter" in record.message


async def test_a_fob_that_another_station_has_personalized_is_no_false_pass(
    tmp_path: Path,
) -> None:
    """In doubt here, passed elsewhere with other content, and back: 6985 says nothing."""
    here, there = tmp_path / "here", tmp_path / "there"
    async with floor(knowing(here)) as place:
        fob = place.fobs.faulty(FaultKind.TORN_BEFORE, LAST_BLOCK)
        record = await place.serve("A", fob)
        assert (record.disposition, fob.lifecycle) == ("in-doubt", Lifecycle.UNPERSONALIZED)
    async with floor(knowing(there, containers=3)) as other:
        # Its first container is the same, for both directories began as one.
        assert (await other.serve("A", other.fobs.make(uid=uid(99)))).outcome == "pass"
        elsewhere = await other.serve("A", fob)
        assert elsewhere.outcome == "pass"
        assert elsewhere.fesn != record.fesn
    given = holds(fob)
    async with floor(load(here / "station.toml")) as place:
        back = await place.serve("A", fob)
        assert (back.outcome, back.cause) == ("incomplete", "UnprovedError")
        assert "a session that is not this station's" in back.message
        assert place.counts()["BURNED"] == 1
    assert holds(fob) == given


@pytest.mark.parametrize("torn", [BLOCK_5, LAST_BLOCK], ids=["bound", "in doubt"])
@pytest.mark.parametrize("other", ["data", "counter"])
async def test_a_second_fob_of_the_same_uid_is_refused(
    tmp_path: Path, torn: int, other: str
) -> None:
    async with floor(knowing(tmp_path)) as place:
        first = place.fobs.make(Fault(FaultKind.TORN_BEFORE, torn), sequence_counter=100)
        await place.serve("A", first)
        further: dict[str, Any] = {"sequence_counter": 200, "key_diversification_data": b"0" * 10}
        if other == "counter":
            further = {"sequence_counter": 7}
        second = place.fobs.make(uid=first.uid, **further)
        record = await place.serve("A", second)
        assert (record.outcome, record.cause) == ("fail", "UnitError")
        assert "this is not the fob that was written to" in record.message
        assert second.stored == {}
        assert len(second.log) == 3  # UID, SELECT and INITIALIZE UPDATE
        assert (await place.serve("A", first)).outcome == "pass"


async def test_a_card_that_counts_its_sessions_elsewhere_is_still_the_same_fob(
    tmp_path: Path,
) -> None:
    async with floor(knowing(tmp_path)) as place:
        fob = place.fobs.faulty(FaultKind.TORN_BEFORE, BLOCK_5)
        assert (await place.serve("A", fob)).disposition == "bound"
        # Somebody has opened a session with it and gone away: no harm to a bound fob.
        fob.transmit(bytes.fromhex("00A4040005A00000085700"))
        fob.transmit(bytes.fromhex("8050FF0008000102030405060700"))
        fob.reset()
        assert (await place.serve("A", fob)).outcome == "pass"


async def test_a_person_may_say_that_it_is_recoverable(tmp_path: Path) -> None:
    loaded = knowing(tmp_path)
    async with floor(loaded) as place:
        fob = place.fobs.make(LOST, i_param=FULL_I_PARAM & ~IParam.PSEUDO_RANDOM_CHALLENGE)
        fesn = await lose(place, fob)
        assert (await place.serve("A", fob)).cause == "UnprovedError"
        (left,) = place.desk.ledger.unfinished()
        place.desk.ledger.resolve(left, "person", '{"attempt":"person"}', recoverable=True)
        record = await place.serve("A", fob)
        assert (record.disposition, record.fesn) == ("recovered", fesn)
    records = [text for (text,) in sql(tmp_path / "var", "SELECT json FROM record")]
    assert '{"attempt":"person"}' in records
