"""A key server that gets slow and quick again under eight lanes of announced fobs.

One fob in ten never comes and one in ten comes out of order. PREFETCH_SLOW_S says how long each of
the three times is, 2 s where it is not set; `-s` shows the figures.
"""

import os
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import pytest

from kfasync.audit.record import AttemptRecord
from kfasync.contracts.sources import End, Parcel, Source
from kfasync.errors import SourceError
from kfasync.model import Lease, Stage, Unit
from kfasync.sim.faults import NFC
from kfasync.sim.fob import SimulatedFob
from tests.klms.world import ServerProcess
from tests.station.desks import PATIENCE_S, Floor, floor, uid
from tests.station.keyserver import books, keys_of_fob, loaded_station, make_klms
from tests.station.test_prefetch import UNENDED, until_ahead

pytestmark = pytest.mark.anyio

PHASE_S = float(os.environ.get("PREFETCH_SLOW_S", "2"))
RECOVERY_PHASES = 5  # at most: on a busy machine recovery takes longer
QUICK_S, SLOW_S = 0.05, 2.0
LANES = [f"lane {number}" for number in range(1, 9)]
FOB_S = 0.6  # over NFC


class SlowSource:
    """A source whose answers take as long as is said at the moment."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.takes_s = QUICK_S

    @property
    def facts(self):  # type: ignore[no-untyped-def]  # the source's own
        return self._source.facts

    async def open(self) -> None:
        await self._source.open()

    async def close(self) -> None:
        await self._source.close()

    async def fetch(self, unit: Unit, *, ttl_s: int | None = None) -> Parcel:
        parcel = await self._source.fetch(unit, ttl_s=ttl_s)
        await anyio.sleep(self.takes_s)
        return parcel

    def adopt(self, parcel: Parcel) -> Lease:
        return self._source.adopt(parcel)

    async def tell(self, ends: Sequence[End]) -> Sequence[SourceError | None]:
        return await self._source.tell(ends)


def efficiency(records: Sequence[AttemptRecord]) -> float:
    """Time in exchanges with the card over the time of the attempts."""
    card = sum(entry.took_us for record in records for entry in record.transcript)
    return card / sum(stage.took_us for record in records for stage in record.stages)


def waited_s(record: AttemptRecord) -> float:
    """For the lease."""
    return sum(one.took_us for one in record.stages if one.stage is Stage.FETCH_KEYS) / 1e6


def as_they_come(announced: Sequence[int]) -> list[int]:
    """One in ten does not, and one in ten is up to eight places late."""
    chance = random.Random(7)  # to repeat a run, not to keep a secret
    coming = [(at, n) for at, n in enumerate(announced) if chance.random() > 0.1]
    late = [(at + (chance.random() < 0.1) * chance.uniform(1, 8), n) for at, n in coming]
    return [number for _, number in sorted(late)]


async def test_no_fob_fails_and_the_lanes_are_soon_what_they_were(tmp_path: Path) -> None:
    count = int((2 + RECOVERY_PHASES) * PHASE_S * len(LANES) / FOB_S * 1.2) + 40
    klms = make_klms(tmp_path / "dev", count)
    server = ServerProcess(klms, "--quiet")
    made: list[SlowSource] = []

    def slow(source: Source) -> Source:
        made.append(SlowSource(source))
        return made[0]

    try:
        async with floor(loaded_station(server, klms), LANES, slow) as place:
            for number in range(1, count + 1):
                place.station.announce(uid(number))
            await until_ahead(place, 20)
            tray = deque(as_they_come(range(1, count + 1)))
            before, slowly = [
                await work(place, klms, tray, made[0], takes_s) for takes_s in (QUICK_S, SLOW_S)
            ]
            after = await work(place, klms, tray, made[0], QUICK_S, RECOVERY_PHASES, have_recovered)
            figures = place.station.prefetched()
        print(f"\nefficiency {[f'{efficiency(one):.3f}' for one in (before, slowly, after)]}")
        print(f"fobs {[len(one) for one in (before, slowly, after)]}, {figures}")
        failed = [one for one in before + slowly + after if one.disposition != "pass"]
        assert [(one.disposition, one.cause, one.message) for one in failed] == []
        assert have_recovered(after)
        assert books(klms, UNENDED) == [(0,)]
    finally:
        server.stop()


def have_recovered(records: Sequence[AttemptRecord]) -> bool:
    """By the time that the last two fobs of each lane waited: the machine may have other work."""
    last = [waited_s(one) for one in records[-2 * len(LANES) :]]
    long = sum(wait_s > SLOW_S / 4 for wait_s in last)
    return len(last) == 2 * len(LANES) and long <= len(last) / 10


async def work(
    place: Floor,
    klms: Path,
    tray: deque[int],
    source: SlowSource,
    takes_s: float,
    phases: int = 1,
    over: Callable[[Sequence[AttemptRecord]], bool] = lambda records: True,
) -> list[AttemptRecord]:
    """All lanes, for one phase, and after that until it is over: so many phases at most."""
    source.takes_s = takes_s
    began = time.monotonic()
    records: list[AttemptRecord] = []

    def goes_on() -> bool:
        took_s = time.monotonic() - began
        return took_s < PHASE_S or (took_s < phases * PHASE_S and not over(records))

    async def lane(name: str) -> None:
        while tray and goes_on():
            number = uid(tray.popleft())
            fob = SimulatedFob(uid=number, keys=keys_of_fob(klms, number), timing=NFC)
            records.append(await place.serve(name, fob))

    with anyio.fail_after(PATIENCE_S + 2 * phases * PHASE_S):
        async with anyio.create_task_group() as tasks:
            for name in LANES:
                tasks.start_soon(lane, name)
    return records
