"""A lease that is asked for early: hidden behind the card, handed back when it comes too late."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from kfasync.contracts.sources import End, EndKind, Parcel, Source
from kfasync.errors import SourceError
from kfasync.model import Lease, Unit
from kfasync.sim.faults import Fault, FaultKind
from kfasync.station.config import LoadedConfig, load
from kfasync.station.fetches import LEASES_MAX
from kfasync.station.lane import ATTEMPTS_A_PLACING
from kfasync.station.states import LaneState
from kfasync.station.writetime import ASSUMED_S
from tests.pcscd.floor import write_provider_config
from tests.station.desks import INITIALIZE_UPDATE, PATIENCE_S, Floor, floor, unit

pytestmark = pytest.mark.anyio

SELECT = 2


class HeldSource:
    """A source whose leases do not come before they are let go.

    Attributes:
        asked: the units, in the order in which they were fetched for.
        leased: what has come out of it.
        told: the ends that it has heard.
        good_s: for how long the next leases are good.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.asked: list[Unit] = []
        self.leased: list[Lease] = []
        self.told: list[End] = []
        self.error: SourceError | None = None
        self.good_s: list[float] = []
        self._free = anyio.Event()
        self._fetching = anyio.Event()
        self._news = anyio.Event()

    @property
    def facts(self):  # type: ignore[no-untyped-def]  # the source's own
        return self._source.facts

    async def open(self) -> None:
        await self._source.open()

    async def close(self) -> None:
        await self._source.close()

    async def fetch(self, unit: Unit, *, ttl_s: int | None = None) -> Parcel:
        self.asked.append(unit)
        self._fetching.set()
        await self._free.wait()
        if self.error is not None:
            raise self.error
        parcel = await self._source.fetch(unit, ttl_s=ttl_s)
        lease = parcel.lease
        assert lease is not None
        if self.good_s:
            until_s = time.monotonic() + self.good_s.pop(0)
            lease = msgspec.structs.replace(lease, expires_at_s=until_s)
            parcel = msgspec.structs.replace(parcel, lease=lease)
        self.leased.append(lease)
        return parcel

    def adopt(self, parcel: Parcel) -> Lease:
        return self._source.adopt(parcel)

    async def tell(self, ends: Sequence[End]) -> Sequence[SourceError | None]:
        self.told += ends
        self._news.set()
        self._news = anyio.Event()
        return await self._source.tell(ends)

    async def heard(self, ends: int) -> None:
        with anyio.fail_after(PATIENCE_S):
            while len(self.told) < ends:
                await self._news.wait()

    def hold(self) -> None:
        self._free, self._fetching = anyio.Event(), anyio.Event()

    def let_go(self) -> None:
        self._free.set()

    async def fetching(self) -> None:
        with anyio.fail_after(PATIENCE_S):
            await self._fetching.wait()


@asynccontextmanager
async def held_floor(
    loaded: LoadedConfig, readers: Sequence[str] = ("A",), scouts: tuple[str, ...] = ()
) -> AsyncIterator[tuple[Floor, HeldSource]]:
    made: list[HeldSource] = []

    def hold(source: Source) -> Source:
        made.append(HeldSource(source))
        return made[0]

    async with floor(loaded, readers, hold, scouts) as place:
        try:
            yield place, made[0]
        finally:
            made[0].let_go()  # the station waits for what is on its way


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedConfig:
    return load(write_provider_config(tmp_path, containers=4))


async def test_the_card_is_talked_to_while_the_lease_is_on_its_way(loaded: LoadedConfig) -> None:
    async with held_floor(loaded) as (place, source):
        fob = place.fobs.make()
        place.readers.place("A", fob)
        await source.fetching()
        for _ in range(2):  # about to be sent, and answered
            await place.until("A", LaneState.LEASING, step=INITIALIZE_UPDATE)
        assert len(fob.log) == INITIALIZE_UPDATE
        assert [one.uid for one in source.asked] == [fob.uid]
        source.let_go()
        record = await place.result("A")
        assert record.disposition == "pass"
        assert len(source.asked) == 1


@pytest.mark.parametrize("command", [SELECT, INITIALIZE_UPDATE])
async def test_who_ends_first_does_not_wait_and_the_late_lease_is_handed_back(
    loaded: LoadedConfig, command: int
) -> None:
    async with held_floor(loaded) as (place, source):
        fob = place.fobs.faulty(FaultKind.STATUS_WORD, command, sw=0x6A82)
        record = await place.serve("A", fob)
        assert record.outcome == "fail"
        assert source.leased == []
        assert place.desk.roster.uids() == {fob.uid}
        source.let_go()
        await source.heard(1)
        (lease,) = source.leased
        assert not any(any(secret.expose()) for secret in lease.secrets)
        assert place.desk.roster.uids() == frozenset()
        (end,) = source.told
        assert (end.kind, end.lease_id, end.touched.value) == (
            EndKind.ABORT,
            lease.lease_id,
            "none",
        )
        assert place.counts() == {}  # the ledger has never heard of it


async def test_a_fob_that_comes_back_gets_the_lease_that_is_on_its_way(
    loaded: LoadedConfig,
) -> None:
    async with held_floor(loaded, ("A", "B")) as (place, source):
        fob = place.fobs.make(Fault(FaultKind.TORN_BEFORE, SELECT))
        assert (await place.serve("A", fob)).disposition == "retry"
        place.readers.place("B", fob)
        await place.until("B", LaneState.LEASING)
        source.let_go()
        record = await place.result("B")
        assert (record.disposition, len(source.asked)) == ("pass", 1)
        await source.heard(1)
        assert [end.kind for end in source.told] == [EndKind.COMMIT]


async def test_what_the_source_refuses_is_the_attempts(loaded: LoadedConfig) -> None:
    async with held_floor(loaded) as (place, source):
        source.error = SourceError("no content for this fob")
        source.let_go()
        record = await place.serve("A", place.fobs.make())
        assert (record.cause, record.message) == ("SourceError", "no content for this fob")
        assert place.desk.roster.uids() == frozenset()


async def test_a_lease_with_too_little_left_is_handed_back_and_fetched_again(
    loaded: LoadedConfig,
) -> None:
    async with held_floor(loaded) as (place, source):
        source.good_s = [0.5, ASSUMED_S, 60.0]  # nothing is left of 2 s when they are there
        source.let_go()
        assert (await place.serve("A", place.fobs.make())).disposition == "pass"
        assert place.desk.fetches.renewed == 2
        short, _, used = source.leased
        assert not any(any(secret.expose()) for secret in short.secrets)
        await source.heard(1)
        # The library gives the same lease again, so that only its last end is told.
        assert {(end.lease_id, end.kind) for end in source.told} == {
            (used.lease_id, EndKind.COMMIT)
        }


async def test_where_all_have_too_little_left_the_fob_comes_again(loaded: LoadedConfig) -> None:
    async with held_floor(loaded) as (place, source):
        source.good_s = [1.0] * LEASES_MAX * ATTEMPTS_A_PLACING
        source.let_go()
        record = await place.serve("A", fob := place.fobs.make())
        assert (record.cause, record.disposition) == ("LeaseExpiredError", "retry")
        assert "3 leases in a row had less than the 2.0 s left" in record.message
        assert all(header[1] != 0x82 for header, _ in fob.log)  # EXTERNAL AUTHENTICATE


async def test_a_lease_that_is_on_its_way_at_the_end_is_handed_back(loaded: LoadedConfig) -> None:
    async with held_floor(loaded) as (place, source):
        fob = place.fobs.faulty(FaultKind.STATUS_WORD, SELECT, sw=0x6A82)
        await place.serve("A", fob)
        place.cancel()
    assert [end.kind for end in source.told] == [EndKind.ABORT]


async def test_nothing_is_fetched_early_where_there_is_nobody_to_hand_it_back(
    loaded: LoadedConfig,
) -> None:
    async with floor(loaded) as place:
        fetches = place.desk.fetches
        place.cancel()
    assert fetches.ask(unit(1)) is None
