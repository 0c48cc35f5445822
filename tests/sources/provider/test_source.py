"""A library as a source: what it leases stands in the ledger once it is adopted."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from kfasync.contracts.sources import End, EndKind, Parcel
from kfasync.crypto.heap import HeapVault
from kfasync.errors import ProviderError, SourceError, SourceUnavailableError, UnitError
from kfasync.ledger.attempts import Ending
from kfasync.ledger.ledger import Ledger
from kfasync.model import Content, ContentState, Disposition, Mark, Outcome, Touched
from kfasync.secret import Secret
from kfasync.sources.provider.source import BREAKS_MAX, ProviderSource
from tests.sources.provider.hosts import GUILTY, opening, secrets_of
from tests.station.desks import digests, take, uid, unit

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


@asynccontextmanager
async def desk(
    directory: Path, misbehave: str = "", *, deadline_s: float = 5.0, **further: object
) -> AsyncIterator[Desk]:
    ask = opening()
    ledger, vault = Ledger.open(directory / "var"), CountingVault()
    config = {"misbehave": misbehave, "unit": GUILTY, "directory": str(directory), **further}
    source = ProviderSource(
        Path(ask.path), ask.sha256, config, ledger, vault, deadline_s=deadline_s
    )
    try:
        await source.open()
        yield Desk(source, ledger, vault, directory)
    finally:
        for _ in range(2):
            await source.close()
        ledger.close()


def end(number: int, lease_id: str, kind: EndKind = EndKind.COMMIT) -> End:
    return End(uid(number), lease_id, kind, Outcome.PASS, Touched.PARTIAL, "00" * 32)


async def test_a_lease_is_the_librarys_and_stands_in_the_ledger(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        before = time.monotonic()
        lease = await take(here.source, unit(7))
        assert lease.content == Content("HOST0007", "7".zfill(40))
        assert lease.keys.kvn == 255
        scalar, irk = lease.items[0].value, lease.items[-1].value
        assert [scalar, irk] == [Secret(value) for value in secrets_of(7)]
        assert lease.expires_at_s is not None
        assert before + 60 <= lease.expires_at_s <= time.monotonic() + 60
        assert here.ledger.counts()[RESERVED] == 1
        here.ledger.mark(lease, Mark.BURNED)
        assert here.source.counts() is None


async def test_a_source_says_what_it_is(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        facts = here.source.facts
        assert (facts.kind, facts.version, facts.remote) == ("provider", "1.0", True)
        # An update of the library, which has another hash, is told the ends of the one before.
        assert facts.pool == f"provider:{facts.name}"
        assert facts.sha256 == opening().sha256


async def test_a_source_that_is_not_open_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    ask, ledger = opening(), Ledger.open(tmp_path)
    source = ProviderSource(Path(ask.path), ask.sha256, {}, ledger, HeapVault())
    with pytest.raises(ValueError, match="not open"):
        source.counts()
    await source.close()
    with pytest.raises(ValueError, match="another source"):
        source.adopt(Parcel(unit(1)))
    ledger.close()


async def test_every_secret_is_made_by_the_vault_and_named_by_the_lease(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        lease = await take(here.source, unit(1))
        # The last is what the public key was computed from.
        assert [len(secret) for secret in here.vault.given] == [16, 16, 16, 32, 16, 67]
        assert lease.keys.dek is here.vault.given[2]
        for secret in lease.secrets:
            secret.wipe()
        assert not here.vault.holds_anything()


async def test_content_that_was_issued_under_another_name_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path, "twin", call="lease") as here:
        first = await take(here.source, unit(1))
        here.ledger.mark(first, Mark.BURNED)
        parcel = await here.source.fetch(unit(GUILTY))
        with pytest.raises(SourceError, match="HOST0013 has the key and IRK of container HOST0001"):
            here.source.adopt(parcel)
        assert here.ledger.counts()[RESERVED] == 0


@pytest.mark.parametrize(
    ("misbehave", "sentence"),
    [
        ("foreign", "a device certificate that is not one in DER"),
        ("cn", "a device certificate whose CN is not the FESN"),
        ("other-key", "a device certificate of another key than the scalar beside it"),
    ],
)
async def test_the_device_certificate_of_another_fob_is_refused(
    tmp_path: Path, misbehave: str, sentence: str
) -> None:
    async with desk(tmp_path, misbehave, call="lease") as here:
        parcel = await here.source.fetch(unit(GUILTY))
        with pytest.raises(ProviderError, match=f"leased HOST0013 with {sentence}"):
            here.source.adopt(parcel)
        assert here.ledger.counts()[RESERVED] == 0


async def test_content_that_is_another_fobs_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        here.ledger.adopt(unit(2), "elsewhere", Content("HOST0007", "7".zfill(40)), digests(7))
        parcel = await here.source.fetch(unit(7))
        with pytest.raises(SourceError, match="the source issues twice") as caught:
            here.source.adopt(parcel)
        assert not caught.value.retryable


async def test_a_unit_that_has_had_its_turn_is_one_whoever_says_so(tmp_path: Path) -> None:
    async with desk(tmp_path, result=-101) as here:
        with pytest.raises(UnitError, match=r"its outcome is final \(result -101\)"):
            await here.source.fetch(unit(GUILTY))


async def test_a_new_attempt_takes_the_lease_over_and_its_old_end_is_not_told(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as here:
        old = await take(here.source, unit(1))
        pool = here.source.facts.pool
        ending = Ending(
            attempt="a",
            record="{}",
            disposition=Disposition.RETRY,
            unit=unit(1),
            lease=old,
            state=ContentState.FREE,
            source=pool,
            end=end(1, old.lease_id, EndKind.ABORT),
        )
        here.ledger.finish(ending)
        assert [one.end for one in here.ledger.outbox.due(pool)] == [ending.end]
        new = await take(here.source, unit(1))
        assert (new.lease_id, new.fence == old.fence) == (old.lease_id, False)
        # It would give the content of the new attempt away.
        assert here.ledger.outbox.due(pool) == []


# ------------------------------------------------------------------------------ telling of ends


@pytest.mark.parametrize("kind", list(EndKind))
async def test_an_end_is_heard(tmp_path: Path, kind: EndKind) -> None:
    async with desk(tmp_path) as here:
        lease = await take(here.source, unit(1))
        assert await here.source.tell([end(1, lease.lease_id, kind)]) == [None]
        assert here.told() == ["told-1"]


async def both(here: Desk, kind: EndKind) -> list[End]:
    """An end of a guilty unit, and of one beside it."""
    return [
        end(number, (await take(here.source, unit(number))).lease_id, kind)
        for number in (GUILTY, 1)
    ]


@pytest.mark.parametrize("kind", list(EndKind))
@pytest.mark.parametrize("trouble", ["segfault", "hang"])
async def test_an_end_that_breaks_the_library_is_to_be_told_again(
    tmp_path: Path, kind: EndKind, trouble: str
) -> None:
    async with desk(tmp_path, trouble, call="end", deadline_s=0.5) as here:
        ends = await both(here, kind)
        broke, heard = await here.source.tell(ends)
        assert isinstance(broke, SourceUnavailableError)
        assert (heard, here.told()) == (None, ["told-1"])
        here.recover()
        assert await here.source.tell(ends) == [None, None]
        assert here.told() == ["told-1", "told-13"]


async def test_a_library_that_breaks_at_every_end_is_left_alone_after_some(tmp_path: Path) -> None:
    async with desk(tmp_path, "segfault", call="end") as here:
        lease = await take(here.source, unit(GUILTY))
        answers = await here.source.tell([end(GUILTY, lease.lease_id)] * (BREAKS_MAX + 2))
    assert all(isinstance(answer, SourceUnavailableError) for answer in answers)
    assert [str(answer)[:17] == "the library broke" for answer in answers] == [
        *[False] * BREAKS_MAX,
        True,
        True,
    ]


async def test_a_library_that_is_away_has_heard_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path, call="end", result=-200) as here:
        ends = await both(here, EndKind.COMMIT)
        with pytest.raises(SourceUnavailableError):
            await here.source.tell(ends)
        # What it has heard before it went away, it has heard.
        heard, away = await here.source.tell(ends[::-1])
        assert heard is None
        assert isinstance(away, SourceUnavailableError)
        assert here.told() == ["told-1"]


async def test_an_end_that_is_refused_is_refused_for_good(tmp_path: Path) -> None:
    async with desk(tmp_path, call="end", result=-5) as here:
        refused, heard = await here.source.tell(await both(here, EndKind.COMMIT))
        assert isinstance(refused, ProviderError)
        assert not refused.retryable
        assert heard is None


async def test_a_library_that_dies_at_a_lease_is_there_for_the_next(tmp_path: Path) -> None:
    async with desk(tmp_path, "segfault") as here:
        for _ in range(2):
            with pytest.raises(ProviderError, match="crashed with SIGSEGV"):
                await here.source.fetch(unit(GUILTY))
            assert (await take(here.source, unit(1))).content.fesn == "HOST0001"
