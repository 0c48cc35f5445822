"""A reader that only reads UIDs: what it has seen has its lease before it comes to a lane."""

from pathlib import Path

import anyio
import pytest

from kfasync.sim.faults import Fault, FaultKind
from kfasync.station.config import load
from tests.pcscd.floor import write_provider_config
from tests.station.desks import PATIENCE_S, Floor, floor, furnish, timeout
from tests.station.test_fetches import held_floor
from tests.station.test_prefetch import until_ahead

pytestmark = pytest.mark.anyio


async def until_told(place: Floor, topic: str) -> str:
    with anyio.fail_after(PATIENCE_S):
        while not (told := [one for one in place.notices if one.follower == topic]):
            await place._noticed.wait()
    return told[-1].problem


async def test_what_a_scout_has_seen_has_its_lease_before_it_comes(tmp_path: Path) -> None:
    loaded = load(write_provider_config(tmp_path, containers=4))
    async with held_floor(loaded, ("A", "S"), ("S",)) as (place, source):
        source.let_go()
        fobs = [place.fobs.make() for _ in range(2)]
        for count, fob in enumerate(fobs, 1):
            place.readers.place("S", fob)
            await until_ahead(place, count)
            place.readers.remove("S")
            assert len(fob.log) == 1  # its UID and nothing else
        for fob in fobs:
            assert (await place.serve("A", fob)).disposition == "pass"
        assert [one.uid for one in source.asked] == [fob.uid for fob in fobs]
        # It has no lane: nothing is shown of it, and lane 1 is the other reader's.
        assert {(event.slot, event.reader) for event in place.shown} == {(1, "A")}


async def test_a_fob_that_a_scout_cannot_read_is_said_and_provisioned_as_ever(
    tmp_path: Path,
) -> None:
    loaded = load(write_provider_config(tmp_path, containers=4))
    async with held_floor(loaded, ("A", "S"), ("S",)) as (place, source):
        source.let_go()
        fob = place.fobs.make(Fault(FaultKind.STATUS_WORD, 1, sw=0x6A81))
        place.readers.place("S", fob)
        said = await until_told(place, "scout S")
        assert said.startswith("a fob could not be read, and is not announced: ReadUid: 6A81")
        place.readers.remove("S")
        assert source.asked == []
        assert (await place.serve("A", fob)).disposition == "pass"
        place.readers.place("S", place.fobs.make())
        await place.until_notice("scout S", "")


async def test_a_card_that_hangs_on_a_scout_is_cut_off(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path, edits=timeout(1.0)), ("A", "S"), scouts=("S",)) as place:
        place.readers.place("S", place.fobs.make(Fault(FaultKind.HUNG, 1)))
        assert "a fob could not be read" in await until_told(place, "scout S")
        place.readers.remove("S")
        assert (await place.serve("A", place.fobs.make())).disposition == "pass"
