"""A library as a source: its leases stand in the ledger, and its ends are told in the end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from kfasync.crypto.heap import HeapVault
from kfasync.errors import ProviderError, SourceError, UnitError
from kfasync.ledger.ledger import Ledger
from kfasync.model import Content, ContentState, Lease, Mark, Outcome, Touched
from kfasync.secret import Secret
from kfasync.sources.provider.source import ProviderSource
from tests.sources.provider.hosts import GUILTY, opening, secrets_of
from tests.station.desks import unit

pytestmark = pytest.mark.anyio

RESERVED = ContentState.RESERVED


class Desk(msgspec.Struct):
    """A source in worker mode and the ledger beside it."""

    source: ProviderSource
    ledger: Ledger
    vault: "CountingVault"
    directory: Path

    def told(self) -> list[str]:
        """The units of which the library has heard an end."""
        return sorted(path.name for path in self.directory.glob("told-*"))

    def recover(self) -> None:
        """From now on the library does what it should."""
        (self.directory / "well-0").touch()


class CountingVault(HeapVault):
    """Keeps hold of what it gave, so that a test can look at it afterwards."""

    def __init__(self) -> None:
        self.given: list[Secret] = []

    def secret(self, size: int) -> Secret:
        self.given.append(super().secret(size))
        return self.given[-1]

    def holds_anything(self) -> bool:
        return any(any(secret.expose()) for secret in self.given)


@contextmanager
def desk(
    directory: Path, misbehave: str = "", *, deadline_s: float = 5.0, **further: object
) -> Iterator[Desk]:
    ask = opening()
    ledger, vault = Ledger.open(directory / "var"), CountingVault()
    config = {"misbehave": misbehave, "unit": GUILTY, "directory": str(directory), **further}
    source = ProviderSource.open(
        Path(ask.path), ask.sha256, config, ledger, vault, deadline_s=deadline_s
    )
    try:
        yield Desk(source, ledger, vault, directory)
    finally:
        source.close()
        source.close()
        ledger.close()


async def test_a_lease_is_the_librarys_and_stands_in_the_ledger(tmp_path: Path) -> None:
    with desk(tmp_path) as here:
        before = time.monotonic()
        lease = await here.source.lease(unit(7))
        assert lease.content == Content("HOST0007", "7".zfill(40))
        assert lease.keys.kvn == 255
        scalar, irk = lease.items[0].value, lease.items[-1].value
        assert [scalar, irk] == [Secret(value) for value in secrets_of(7)]
        assert lease.expires_at_s is not None
        assert before + 60 <= lease.expires_at_s <= time.monotonic() + 60
        assert here.ledger.counts()[RESERVED] == 1
        here.ledger.mark(lease, Mark.BURNED)
        assert here.source.facts.version == "1.0"
        assert here.source.counts() is None


async def test_every_secret_is_made_by_the_vault_and_wiped_at_the_end(tmp_path: Path) -> None:
    with desk(tmp_path) as here:
        lease = await here.source.lease(unit(1))
        assert [len(secret) for secret in here.vault.given] == [16, 16, 16, 32, 16]
        assert lease.keys.dek is here.vault.given[2]
        await here.source.abort(lease, Touched.NONE)
        assert not here.vault.holds_anything()


async def test_content_that_is_another_fobs_is_refused_and_forgotten(tmp_path: Path) -> None:
    with desk(tmp_path) as here:
        here.ledger.adopt(unit(2), "elsewhere", Content("HOST0007", "7".zfill(40)))
        with pytest.raises(SourceError, match="the source issues twice") as caught:
            await here.source.lease(unit(7))
        assert not caught.value.retryable
        assert here.vault.given
        assert not here.vault.holds_anything()


async def test_a_unit_that_has_had_its_turn_is_one_whoever_says_so(tmp_path: Path) -> None:
    final = pytest.raises(UnitError, match=r"its outcome is final \(result -101\)")
    with desk(tmp_path, result=-101) as here, final:
        await here.source.lease(unit(GUILTY))


async def test_a_new_lease_on_a_unit_takes_it_over_from_the_old_one(tmp_path: Path) -> None:
    with desk(tmp_path) as here:
        old, new = [await here.source.lease(unit(1)) for _ in range(2)]
        assert old.lease_id != new.lease_id
        await here.source.abort(old, Touched.NONE)
        assert here.told() == []  # for it would give the content of the new one away
        here.ledger.mark(new, Mark.BURNED)
        await here.source.commit(new, Outcome.PASS)
        assert here.told() == ["told-1"]


async def end(here: Desk, lease: Lease, way: str) -> None:
    if way == "commit":
        await here.source.commit(lease, Outcome.PASS)
    else:
        await here.source.abort(lease, Touched.PARTIAL)


@pytest.mark.parametrize("way", ["commit", "abort"])
@pytest.mark.parametrize(
    ("trouble", "meanwhile"),
    [
        pytest.param({"result": -200}, [], id="away"),
        pytest.param({"misbehave": "segfault"}, ["told-1"], id="broken by it"),
    ],
)
async def test_an_end_that_is_not_heard_is_told_before_the_next_lease(
    tmp_path: Path, way: str, trouble: dict[str, object], meanwhile: list[str]
) -> None:
    with desk(tmp_path, **{"call": "end", **trouble}) as here:  # type: ignore[arg-type]  # as above
        other = await here.source.lease(unit(1))
        await end(here, await here.source.lease(unit(GUILTY)), way)
        await end(here, other, way)
        assert here.told() == meanwhile
        here.recover()
        if meanwhile:  # twice it has broken the library: that is enough before the close
            here.source.close()
        else:
            await here.source.lease(unit(2))
        assert here.told() == ["told-1", "told-13"]


async def test_an_end_that_is_not_heard_is_told_at_the_close(tmp_path: Path) -> None:
    with desk(tmp_path, "hang", call="end", deadline_s=0.1) as here:
        await here.source.commit(await here.source.lease(unit(GUILTY)), Outcome.PASS)
        assert here.told() == []
        here.recover()
    assert here.told() == ["told-13"]


async def test_an_end_that_is_refused_is_not_told_again(tmp_path: Path) -> None:
    with desk(tmp_path, call="end", result=-5) as here:
        await here.source.commit(await here.source.lease(unit(GUILTY)), Outcome.PASS)
        here.recover()
        await here.source.lease(unit(2))
        assert here.told() == []


async def test_a_library_that_dies_at_a_lease_is_there_for_the_next(tmp_path: Path) -> None:
    with desk(tmp_path, "segfault") as here:
        for _ in range(2):
            with pytest.raises(ProviderError, match="crashed with SIGSEGV"):
                await here.source.lease(unit(GUILTY))
            assert (await here.source.lease(unit(1))).content.fesn == "HOST0001"
