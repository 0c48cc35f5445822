"""Reference fobs on a lane: looked at, written down, and never written."""

import json
from pathlib import Path

import pytest

from kfasync.audit.record import ShiftCheck
from kfasync.errors import ShiftError
from kfasync.model import KeySet
from kfasync.secret import Secret
from kfasync.sim.applet import Lifecycle
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.assembly import open_station
from kfasync.station.attempt import Conclusion
from kfasync.station.batch import Check, CheckState
from kfasync.station.config import LoadedConfig
from kfasync.station.events import LaneEvent
from kfasync.station.states import LaneState
from tests.station.desks import PATIENCE_S, Floor, Fobs, floor, furnish, sql, uid

pytestmark = pytest.mark.anyio

GOLDEN, BAD = uid(901), uid(902)
OTHERS = Secret(bytes(16))


def shift(directory: Path, more: str = "") -> LoadedConfig:
    section = (
        f'[shift]\ngolden = ["{GOLDEN.hex()}"]\nknown_bad = ["{BAD.hex()}"]\n{more}\n[source]\n'
    )
    return furnish(
        directory, edits={'[source]\nkind = "containers"': f'{section}kind = "containers"'}
    )


def other_keys(keys: KeySet) -> KeySet:
    return KeySet(keys.kvn, OTHERS, OTHERS, OTHERS, keys.kcv)


async def looked_at(place: Floor, fob: SimulatedFob) -> LaneEvent:
    """Place a reference fob; what its lane shows then, when it has been taken away."""
    place.readers.place("A", fob)
    while not (event := await place.until("A", LaneState.EMPTY, LaneState.FAIL)).message:
        pass
    place.readers.remove("A")
    await place.emptied("A")
    return event


def notes(place: Floor) -> list[ShiftCheck]:
    rows = sql(place.directory, "SELECT json FROM record WHERE uid IS NULL ORDER BY id")
    fields = set(ShiftCheck.__struct_fields__)
    found = [json.loads(text) for (text,) in rows]
    return [ShiftCheck(**{k: v for k, v in one.items() if k in fields}) for one in found]


def good(place: Floor) -> None:
    place.desk.batch.look([Check("disk", CheckState.GOOD, "fine")])


async def test_a_batch_begins_when_both_are_what_they_should_be(tmp_path: Path) -> None:
    async with floor(shift(tmp_path)) as place:
        good(place)
        record = await place.serve("A", place.fobs.make())
        assert (record.disposition, record.cause) == ("retry", "ShiftError")
        assert "golden due" in record.message
        assert "known-bad due" in record.message
        golden = place.fobs.make(uid=GOLDEN)
        bad = place.fobs.make(uid=BAD, keys=other_keys(place.fobs.keys))
        event = await looked_at(place, golden)
        assert (event.state, event.message) == (LaneState.EMPTY, "golden fob: found good")
        event = await looked_at(place, bad)
        assert event.state is LaneState.EMPTY
        assert event.message.startswith("known-bad fob: refused: ")
        assert (await place.serve("A", place.fobs.make())).disposition == "pass"
        assert place.counts() == {"FREE": 1, "CONSUMED": 1}
        assert (golden.personalizations, bad.personalizations) == (0, 0)
        assert golden.lifecycle is bad.lifecycle is Lifecycle.UNPERSONALIZED
        units = [one for (one,) in place.sql("SELECT uid FROM content WHERE uid IS NOT NULL")]
        assert not {GOLDEN.hex(), BAD.hex()} & set(units)
        first, second = notes(place)
        assert (first.disposition, first.by) == ("red", "lane 1")
        assert first.message == "known-bad due (place it on any reader)"
        assert (second.disposition, second.message) == ("checked", "")


async def test_a_golden_fob_that_is_refused_is_red_and_stands_in_the_record(
    tmp_path: Path,
) -> None:
    async with floor(shift(tmp_path)) as place:
        good(place)
        wrong = place.fobs.make(uid=GOLDEN, keys=other_keys(place.fobs.keys))
        event = await looked_at(place, wrong)
        assert event.state is LaneState.FAIL
        assert event.message.startswith("golden fob: refused: ")
        await looked_at(place, place.fobs.make(uid=BAD, keys=other_keys(place.fobs.keys)))
        record = await place.serve("A", place.fobs.make())
        assert "golden red" in record.message
        assert "golden red" in notes(place)[-1].message
        # A good one of the same UID mends it.
        await looked_at(place, place.fobs.make(uid=GOLDEN))
        assert (await place.serve("A", place.fobs.make())).disposition == "pass"


async def test_a_known_bad_fob_that_is_not_refused_is_red(tmp_path: Path) -> None:
    async with floor(shift(tmp_path)) as place:
        good(place)
        await looked_at(place, place.fobs.make(uid=GOLDEN))
        event = await looked_at(place, place.fobs.make(uid=BAD))
        assert event.state is LaneState.FAIL
        assert "not refused" in event.message
        record = await place.serve("A", place.fobs.make())
        assert "known-bad red" in record.message
        assert place.counts() == {"FREE": 2}


async def test_a_reference_fob_that_is_torn_off_is_neither(tmp_path: Path) -> None:
    async with floor(shift(tmp_path)) as place:
        good(place)
        for reference in (GOLDEN, BAD):
            torn = place.fobs.make(Fault(FaultKind.TORN_BEFORE, at=3), uid=reference)
            place.readers.place("A", torn)
            await place.until("A", LaneState.READER_FAULT)
            place.readers.remove("A")
            await place.emptied("A")
        states = {one.name: one.state.value for one in place.desk.batch.checks()}
        assert states == {"disk": "good", "golden": "due", "known-bad": "due"}
        assert notes(place) == []


async def test_a_reference_fob_is_announced_in_vain(tmp_path: Path) -> None:
    async with floor(shift(tmp_path)) as place:
        assert place.station.announce(GOLDEN)
        assert place.station.prefetched().announced == 0


async def test_one_fob_alone_is_not_gated_and_a_reference_fob_is_refused_by_name(
    tmp_path: Path,
) -> None:
    loaded, readers = shift(tmp_path), SimulatedReaders(["A"])
    async with open_station(loaded, readers, lambda event: None) as station:
        for uid_, ended in ((GOLDEN, ShiftError), (uid(1), Conclusion)):
            readers.place("A", Fobs(loaded).make(uid=uid_))
            result = await station.provision("A", PATIENCE_S)
            readers.remove("A")
            assert isinstance(result, ended)
            if isinstance(result, ShiftError):
                said = "golden fob: found good; a reference fob is never provisioned"
                assert str(result) == said
