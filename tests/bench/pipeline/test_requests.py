import time
from collections.abc import Sequence

import pytest

from kfasync.bench.pipeline.requests import MeteredSource, StubSource
from kfasync.contracts.sources import End, EndKind, Parcel, SourceFacts
from kfasync.errors import SourceError
from kfasync.model import Lease, Outcome, Touched, Unit

pytestmark = pytest.mark.anyio
UNIT = Unit(bytes.fromhex("04A1B2C3D4E5F6"), bytes.fromhex("04A1B2C3D4E5F6"), b"\x3b", b"\xa0", "p")
END = End(UNIT.uid, "1", EndKind.COMMIT, Outcome.PASS, Touched.UNKNOWN, "00" * 32)


class Near:
    """A source without content, which writes down what it is asked."""

    facts = SourceFacts(kind="containers", pool="near")

    def __init__(self) -> None:
        self.asked: list[object] = []

    async def open(self) -> None:
        self.asked.append("open")

    async def close(self) -> None:
        self.asked.append("close")

    async def fetch(self, unit: Unit, *, ttl_s: int | None = None) -> Parcel:
        self.asked.append((unit, ttl_s))
        return Parcel(unit)

    def adopt(self, parcel: Parcel) -> Lease:
        self.asked.append(parcel)
        raise SourceError("none")

    async def tell(self, ends: Sequence[End]) -> Sequence[SourceError | None]:
        self.asked.append(ends)
        return [None] * len(ends)


async def test_a_metered_source_asks_what_it_is_asked_and_keeps_the_times() -> None:
    near = Near()
    source = MeteredSource(near)
    assert source.facts is near.facts
    began_s = time.monotonic()
    await source.open()
    parcel = await source.fetch(UNIT, ttl_s=30)
    with pytest.raises(SourceError):
        source.adopt(parcel)
    assert await source.tell([END]) == [None]
    await source.close()
    assert near.asked == ["open", (UNIT, 30), parcel, [END], "close"]
    lease, ends = source.requests
    assert (lease.is_lease, lease.uids, ends.is_lease) == (True, (UNIT.uid.hex().upper(),), False)
    assert ends.uids == lease.uids
    assert began_s <= lease.began_s <= lease.ended_s <= ends.began_s <= ends.ended_s


async def test_a_stub_is_far_away_and_takes_its_time_over_each_request() -> None:
    near = Near()
    source = StubSource(near, lease_s=0.02, ends_s=0.03)
    assert (source.facts.kind, source.facts.remote, near.facts.remote) == ("stub", True, False)
    assert source.facts.pool == near.facts.pool
    metered = MeteredSource(source)
    await metered.open()
    await metered.fetch(UNIT)
    with pytest.raises(SourceError):
        metered.adopt(Parcel(UNIT))
    # Those containers hear of no ends; the stub heard them.
    assert await metered.tell([END, END]) == [None, None]
    await metered.close()
    assert near.asked == ["open", (UNIT, None), Parcel(UNIT), "close"]
    lease, ends = metered.requests
    assert lease.ended_s - lease.began_s >= 0.02
    assert ends.ended_s - ends.began_s >= 0.03
