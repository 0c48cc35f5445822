"""The life cycle of every source: lease, then commit or abort, and what the pool says of it."""

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
import pytest

from kfasync.contracts.sources import End, EndKind, Source
from kfasync.crypto.heap import HeapVault
from kfasync.errors import LeaseExpiredError, SourceError, UnitError
from kfasync.ledger.attempts import Ending
from kfasync.ledger.ledger import Ledger
from kfasync.model import ContentState, Disposition, Lease, Mark, Outcome, Touched
from kfasync.secret import Secret
from kfasync.sources.provider.context import PoolCounts
from kfasync.sources.provider.library import digest
from kfasync.sources.provider.source import ProviderSource
from tests.native_build import reference_provider, stock
from tests.station.desks import furnish, open_desk, take, unit

pytestmark = pytest.mark.anyio

FREE, RESERVED, BURNED = ContentState.FREE, ContentState.RESERVED, ContentState.BURNED
CONSUMED, QUARANTINED = ContentState.CONSUMED, ContentState.QUARANTINED
CONTENTS = 2


class Shelf(msgspec.Struct):
    """A source of two contents, and the ledger that knows of them.

    ``free`` counts the free ones where the ledger does not keep them.
    """

    source: Source
    ledger: Ledger
    free: Callable[[], int] | None = None
    ends: int = 0

    def end(self, lease: Lease, state: ContentState | None) -> None:
        """What the station writes down, before it tells the source."""
        self.ends += 1
        text = '{"finished":"then","message":"why"}'
        self.ledger.finish(
            Ending(
                attempt=str(self.ends),
                record=text,
                disposition=Disposition.ERROR,
                unit=lease.unit,
                lease=lease,
                state=state,
            )
        )

    async def tell(
        self, lease: Lease, kind: EndKind, touched: Touched, outcome: Outcome = Outcome.INCOMPLETE
    ) -> None:
        """What the sender tells the source, twice: a crash may come between."""
        end = End(lease.unit.uid, lease.lease_id, kind, outcome, touched, "00" * 32)
        for _ in range(2):
            assert list(await self.source.tell([end])) == [None]

    def states(self) -> dict[ContentState, int]:
        counts = self.ledger.counts()
        if self.free is not None:
            counts[FREE] = self.free()
        return {state: count for state, count in counts.items() if count}


@asynccontextmanager
async def containers(directory: Path) -> AsyncIterator[Shelf]:
    async with open_desk(furnish(directory, containers=CONTENTS)) as desk:
        yield Shelf(desk.source, desk.ledger)


@asynccontextmanager
async def provider(directory: Path, *, in_process: bool) -> AsyncIterator[Shelf]:
    """The same containers behind the reference provider."""
    config = stock(directory, containers=CONTENTS)
    library = reference_provider()
    ledger = Ledger.open(directory / "var")
    source = ProviderSource(
        library, digest(library), config, ledger, HeapVault(), in_process=in_process
    )
    try:
        await source.open()
        yield Shelf(source, ledger, lambda: counted(source).free)
    finally:
        await source.close()
        ledger.close()


def counted(source: ProviderSource) -> PoolCounts:
    counts = source.counts()
    assert counts is not None
    return counts


SHELVES = {
    "containers": containers,
    "provider": functools.partial(provider, in_process=False),
    "provider in process": functools.partial(provider, in_process=True),
}


@pytest.fixture(params=list(SHELVES.values()), ids=list(SHELVES))
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    make: Callable[[Path], AbstractAsyncContextManager[Shelf]] = request.param
    async with make(tmp_path) as opened:
        yield opened


def plain(lease: Lease) -> dict[int, bytes]:
    """What a lease holds, copied out before it is wiped."""
    values = ((item.dgi, item.value) for item in lease.items)
    return {d: bytes(v.expose()) if isinstance(v, Secret) else v for d, v in values}


async def test_a_lease_is_whole_and_for_its_unit(shelf: Shelf) -> None:
    lease = await take(shelf.source, unit(1))
    assert lease.unit == unit(1)
    assert [item.dgi for item in lease.items] == [0xA003, 0xA001, 0xA002, 0xA004, 0xA005, 0xA006]
    assert [item.under_dek for item in lease.items] == [True, *[False] * 5]
    assert plain(lease)[0xA001].decode() == lease.content.spid
    assert {len(value) for value in msgspec.structs.astuple(lease.keys.kcv)} == {3}
    assert shelf.states() == {FREE: 1, RESERVED: 1}


@pytest.mark.parametrize("burned", [False, True])
async def test_the_same_unit_gets_the_same_content_while_its_turn_is_open(
    shelf: Shelf, burned: bool
) -> None:
    first = await take(shelf.source, unit(1))
    if burned:
        shelf.ledger.mark(first, Mark.BURNED)
    again = await take(shelf.source, unit(1))
    assert (again.content, plain(again)) == (first.content, plain(first))
    assert (await take(shelf.source, unit(2))).content != first.content


async def test_two_units_never_hold_one_content(shelf: Shelf) -> None:
    leases: list[Lease] = []
    refused: list[int] = []

    async def ask(number: int) -> None:
        try:
            leases.append(await take(shelf.source, unit(number)))
        except SourceError:
            refused.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(ask, number)
    assert len({lease.content.fesn for lease in leases}) == len(leases) == CONTENTS
    assert len(refused) == 6 - CONTENTS


async def test_an_untouched_fob_gives_its_content_back(shelf: Shelf) -> None:
    lease = await take(shelf.source, unit(1))
    shelf.end(lease, FREE)
    await shelf.tell(lease, EndKind.ABORT, Touched.NONE)
    assert shelf.states() == {FREE: CONTENTS}
    assert (await take(shelf.source, unit(2))).content == lease.content


@pytest.mark.parametrize("touched", [Touched.PARTIAL, Touched.UNKNOWN])
async def test_a_touched_fob_keeps_its_content(shelf: Shelf, touched: Touched) -> None:
    lease = await take(shelf.source, unit(1))
    content = lease.content
    shelf.ledger.mark(lease, Mark.BURNED)
    if touched is Touched.UNKNOWN:
        shelf.ledger.mark(lease, Mark.LAST_SENT)
    shelf.end(lease, BURNED)
    await shelf.tell(lease, EndKind.ABORT, touched)
    assert shelf.states() == {FREE: 1, BURNED: 1}
    assert (await take(shelf.source, unit(2))).content != content
    assert (await take(shelf.source, unit(1))).content == content
    assert shelf.ledger.standing(unit(1)).touched is touched


@pytest.mark.parametrize(
    ("state", "outcome"), [(CONSUMED, Outcome.PASS), (QUARANTINED, Outcome.FAIL)]
)
async def test_a_fob_that_is_done_never_gets_another_content(
    shelf: Shelf, state: ContentState, outcome: Outcome
) -> None:
    lease = await take(shelf.source, unit(1))
    for mark in (Mark.BURNED, Mark.LAST_SENT):
        shelf.ledger.mark(lease, mark)
    shelf.end(lease, state)
    await shelf.tell(lease, EndKind.COMMIT, Touched.UNKNOWN, outcome)
    with pytest.raises(UnitError):
        await take(shelf.source, unit(1))
    assert shelf.states() == {FREE: 1, state: 1}
    assert (await take(shelf.source, unit(2))).content != lease.content


async def test_a_lease_names_every_secret_that_dies_with_its_attempt(shelf: Shelf) -> None:
    lease = await take(shelf.source, unit(1))
    secrets = [item.value for item in lease.items if isinstance(item.value, Secret)]
    assert len(secrets) == 2
    for secret in secrets:
        assert any(secret is one for one in lease.secrets)
    # Static keys are for every fob; a fob's own keys are its own.
    keys = (lease.keys.enc, lease.keys.mac, lease.keys.dek)
    own = [key for key in keys if any(key is one for one in lease.secrets)]
    assert len(own) == (3 if shelf.source.facts.remote else 0)


async def test_nothing_is_in_the_ledger_before_it_is_adopted(shelf: Shelf) -> None:
    before = shelf.ledger.counts()
    parcel = await shelf.source.fetch(unit(1))
    assert shelf.ledger.counts() == before
    assert (await anyio.to_thread.run_sync(shelf.source.adopt, parcel)).fence


async def test_a_new_attempt_takes_the_lease_over(shelf: Shelf) -> None:
    old, new = [await take(shelf.source, unit(1)) for _ in range(2)]
    assert old.fence != new.fence
    with pytest.raises(LeaseExpiredError):
        shelf.ledger.mark(old, Mark.BURNED)
    shelf.ledger.mark(new, Mark.BURNED)


async def test_a_lease_shows_no_secret(shelf: Shelf) -> None:
    lease = await take(shelf.source, unit(1))
    shown = repr(lease)
    for dgi in (0xA003, 0xA006):
        assert repr(plain(lease)[dgi]) not in shown
        assert plain(lease)[dgi].hex() not in shown
    for key in (lease.keys.enc, lease.keys.mac, lease.keys.dek):
        assert repr(bytes(key.expose())) not in shown
