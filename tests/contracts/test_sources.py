"""The life cycle of every source: lease, then commit or abort, and what the pool says of it."""

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from kfasync.contracts.sources import Source
from kfasync.crypto.heap import HeapVault
from kfasync.errors import SourceError, UnitError
from kfasync.ledger.ledger import Ending, Ledger
from kfasync.model import ContentState, Disposition, Lease, Mark, Outcome, Touched
from kfasync.secret import Secret
from kfasync.sources.provider.context import PoolCounts
from kfasync.sources.provider.library import digest
from kfasync.sources.provider.source import ProviderSource
from tests.native_build import reference_provider, stock
from tests.station.desks import furnish, open_desk, unit

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

    def states(self) -> dict[ContentState, int]:
        counts = self.ledger.counts()
        if self.free is not None:
            counts[FREE] = self.free()
        return {state: count for state, count in counts.items() if count}


@contextmanager
def containers(directory: Path) -> Iterator[Shelf]:
    with open_desk(furnish(directory, containers=CONTENTS)) as desk:
        yield Shelf(desk.source, desk.ledger)


@contextmanager
def provider(directory: Path, *, in_process: bool) -> Iterator[Shelf]:
    """The same containers behind the reference provider."""
    config = stock(directory, containers=CONTENTS)
    library = reference_provider()
    ledger = Ledger.open(directory / "var")
    try:
        source = ProviderSource.open(
            library, digest(library), config, ledger, HeapVault(), in_process=in_process
        )
        try:
            yield Shelf(source, ledger, lambda: counted(source).free)
        finally:
            source.close()
    finally:
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
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    make: Callable[[Path], AbstractContextManager[Shelf]] = request.param
    with make(tmp_path) as opened:
        yield opened


def plain(lease: Lease) -> dict[int, bytes]:
    """What a lease holds, copied out before it is wiped."""
    values = ((item.dgi, item.value) for item in lease.items)
    return {d: bytes(v.expose()) if isinstance(v, Secret) else v for d, v in values}


async def test_a_lease_is_whole_and_for_its_unit(shelf: Shelf) -> None:
    lease = await shelf.source.lease(unit(1))
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
    first = await shelf.source.lease(unit(1))
    if burned:
        shelf.ledger.mark(first, Mark.BURNED)
    again = await shelf.source.lease(unit(1))
    assert (again.content, plain(again)) == (first.content, plain(first))
    assert (await shelf.source.lease(unit(2))).content != first.content


async def test_two_units_never_hold_one_content(shelf: Shelf) -> None:
    leases: list[Lease] = []
    refused: list[int] = []

    async def ask(number: int) -> None:
        try:
            leases.append(await shelf.source.lease(unit(number)))
        except SourceError:
            refused.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(ask, number)
    assert len({lease.content.fesn for lease in leases}) == len(leases) == CONTENTS
    assert len(refused) == 6 - CONTENTS


async def test_an_untouched_fob_gives_its_content_back(shelf: Shelf) -> None:
    lease = await shelf.source.lease(unit(1))
    shelf.end(lease, FREE)
    await shelf.source.abort(lease, Touched.NONE)
    assert shelf.states() == {FREE: CONTENTS}
    assert (await shelf.source.lease(unit(2))).content == lease.content


@pytest.mark.parametrize("touched", [Touched.PARTIAL, Touched.UNKNOWN])
async def test_a_touched_fob_keeps_its_content(shelf: Shelf, touched: Touched) -> None:
    lease = await shelf.source.lease(unit(1))
    content = lease.content
    shelf.ledger.mark(lease, Mark.BURNED)
    if touched is Touched.UNKNOWN:
        shelf.ledger.mark(lease, Mark.LAST_SENT)
    shelf.end(lease, BURNED)
    await shelf.source.abort(lease, touched)
    assert shelf.states() == {FREE: 1, BURNED: 1}
    assert (await shelf.source.lease(unit(2))).content != content
    assert (await shelf.source.lease(unit(1))).content == content
    assert shelf.ledger.standing(unit(1)).touched is touched


@pytest.mark.parametrize(
    ("state", "outcome"), [(CONSUMED, Outcome.PASS), (QUARANTINED, Outcome.FAIL)]
)
async def test_a_fob_that_is_done_never_gets_another_content(
    shelf: Shelf, state: ContentState, outcome: Outcome
) -> None:
    lease = await shelf.source.lease(unit(1))
    for mark in (Mark.BURNED, Mark.LAST_SENT):
        shelf.ledger.mark(lease, mark)
    shelf.end(lease, state)
    await shelf.source.commit(lease, outcome)
    with pytest.raises(UnitError):
        await shelf.source.lease(unit(1))
    assert shelf.states() == {FREE: 1, state: 1}
    assert (await shelf.source.lease(unit(2))).content != lease.content


@pytest.mark.parametrize("way", ["commit", "abort"])
async def test_the_secrets_of_a_fob_do_not_outlive_its_lease(shelf: Shelf, way: str) -> None:
    lease = await shelf.source.lease(unit(1))
    secrets = [item.value for item in lease.items if isinstance(item.value, Secret)]
    assert len(secrets) == 2
    assert all(any(secret.expose()) for secret in secrets)
    for _ in range(2):  # told twice, it is as good as told once
        if way == "commit":
            await shelf.source.commit(lease, Outcome.PASS)
        else:
            await shelf.source.abort(lease, Touched.UNKNOWN)
    assert not any(any(secret.expose()) for secret in secrets)


async def test_a_lease_shows_no_secret(shelf: Shelf) -> None:
    lease = await shelf.source.lease(unit(1))
    shown = repr(lease)
    for dgi in (0xA003, 0xA006):
        assert repr(plain(lease)[dgi]) not in shown
        assert plain(lease)[dgi].hex() not in shown
    for key in (lease.keys.enc, lease.keys.mac, lease.keys.dek):
        assert repr(bytes(key.expose())) not in shown
