"""A key server as a source: one fob's keys and content from request to end, on both loops."""

import shutil
import time
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
import pytest
import sniffio

from kfasync.contracts.sources import End, EndKind, Parcel
from kfasync.crypto.choose import available, choose
from kfasync.errors import (
    AlreadyProvisionedError,
    KlmsError,
    LeaseExpiredError,
    LedgerError,
    SourceError,
    SourceUnavailableError,
)
from kfasync.model import Lease, Touched, Unit
from kfasync.sources.klms.journal import FetchJournal
from kfasync.sources.klms.source import WRITE_S, KlmsSource
from kfasync.sources.klms.warnings import CLOCK
from tests.klms.world import PROFILE, ServerProcess
from tests.sources.klms.world import Register, Told, counts, end, files, of, opened, unit

pytestmark = pytest.mark.anyio


def left(directory: Path) -> int:
    journal = FetchJournal.open(directory)
    journal.close()
    return len(journal.left)


async def take(source: KlmsSource, of_unit: Unit) -> Lease:
    parcel = await source.fetch(of_unit)
    return await anyio.to_thread.run_sync(source.adopt, parcel)


@pytest.mark.parametrize("path", available())
async def test_a_lease_from_request_to_end(
    server: ServerProcess, tmp_path: Path, path: str
) -> None:
    register, before = Register(), counts(server)
    number = 200 + available().index(path) + 100 * (_loop() == "trio")
    async with opened(
        of(server), server.pki, tmp_path, register=register, path=choose(path)
    ) as source:
        assert source.facts.remote
        assert source.facts.name == of(server)
        sent = time.monotonic()
        lease = await take(source, unit(number))
        assert register.adopted == [(lease.content, lease.lease_id)]
        assert lease.expires_at_s is not None
        assert sent + 4 < lease.expires_at_s <= time.monotonic() + 5
        assert len(lease.items) == 6
        assert counts(server).leased == before.leased + 1
        assert list(await source.tell([end(lease)])) == [None]
        assert list(await source.tell([end(lease)])) == [None]
        assert counts(server).consumed == before.consumed + 1
        with pytest.raises(AlreadyProvisionedError):
            await source.fetch(unit(number))
    assert left(tmp_path) == 0


def _loop() -> str:
    return sniffio.current_async_library()


async def test_the_same_unit_has_the_same_content(server: ServerProcess, tmp_path: Path) -> None:
    async with opened(of(server), server.pki, tmp_path) as source:
        one, two = await take(source, unit(400)), await take(source, unit(400))
        assert one.content == two.content
        assert one.lease_id != two.lease_id
        ends = [end(lease, EndKind.ABORT, Touched.NONE) for lease in (one, two)]
        assert list(await source.tell(ends)) == [None, None]


async def test_many_units_at_once_over_one_source(server: ServerProcess, tmp_path: Path) -> None:
    leases: list[Lease] = []
    async with opened(of(server), server.pki, tmp_path) as source:

        async def one(number: int) -> None:
            leases.append(await take(source, unit(number)))

        async with anyio.create_task_group() as tasks:
            for number in range(500, 516):
                tasks.start_soon(one, number)
        assert len({lease.content.fesn for lease in leases}) == 16
        aborted = [end(lease, EndKind.ABORT, Touched.NONE) for lease in leases]
        assert set(await source.tell(aborted)) == {None}


async def test_an_answer_that_is_lost_gives_the_same_lease_again(
    directory: Path, tmp_path: Path
) -> None:
    with ServerProcess(directory, "--fault", "cut-after=0.6", "--seed", "1") as server:
        async with opened(of(server), server.pki, tmp_path) as source:
            leases = [await take(source, unit(number)) for number in range(600, 606)]
            cut = server.log.read_text().count("POST '/v1/leases' 20")
            assert cut > 6
            # Every request under its first key: no lease but these was given.
            assert counts(server).leased == 6
            ends = [end(lease, EndKind.ABORT, Touched.NONE) for lease in leases]
            while True:
                try:
                    assert set(await source.tell(ends)) == {None}
                except SourceUnavailableError:
                    continue
                break
            assert counts(server).leased == 0


async def test_what_was_asked_for_before_a_kill_is_handed_back_at_the_start(
    server: ServerProcess, tmp_path: Path
) -> None:
    before = counts(server)
    async with opened(of(server), server.pki, tmp_path) as source:
        await source.fetch(unit(700))
        assert counts(server).leased == before.leased + 1
    assert left(tmp_path) == 1
    async with opened(of(server), server.pki, tmp_path):
        assert counts(server) == before
    assert left(tmp_path) == 0


async def test_what_was_never_adopted_is_over_when_its_end_was_told(
    server: ServerProcess, tmp_path: Path
) -> None:
    before = counts(server)
    async with opened(of(server), server.pki, tmp_path) as source:
        parcel = await source.fetch(unit(705))
        assert parcel.lease is not None
        assert list(await source.tell([end(parcel.lease, EndKind.ABORT, Touched.NONE)])) == [None]
    assert counts(server) == before
    assert left(tmp_path) == 0


async def test_content_that_the_ledger_refuses_is_not_handed_back_twice(
    server: ServerProcess, tmp_path: Path
) -> None:
    register = Register()
    register.refuses = SourceError("issued twice")
    async with opened(of(server), server.pki, tmp_path, register=register) as source:
        parcel = await source.fetch(unit(710))
        with pytest.raises(SourceError, match="issued twice"):
            await anyio.to_thread.run_sync(source.adopt, parcel)
        assert parcel.lease is not None
        assert list(await source.tell([end(parcel.lease, EndKind.ABORT, Touched.NONE)])) == [None]
    assert left(tmp_path) == 0


async def test_a_lease_is_the_journals_until_the_ledger_has_it(
    server: ServerProcess, tmp_path: Path
) -> None:
    register = Register()
    register.refuses = SourceError("killed here")
    before, ended = counts(server), tmp_path / "as it was"
    async with opened(of(server), server.pki, tmp_path, register=register) as source:
        with pytest.raises(SourceError, match="killed here"):
            await take(source, unit(715))
        shutil.copytree(tmp_path, ended)
    assert counts(server).leased == before.leased + 1
    async with opened(of(server), server.pki, ended):
        assert counts(server) == before
    assert left(ended) == 0


async def test_what_a_full_disk_keeps_from_the_ledger_is_handed_back_with_the_next_end(
    server: ServerProcess, tmp_path: Path
) -> None:
    register, before = Register(), counts(server)
    async with opened(of(server), server.pki, tmp_path, register=register) as source:
        register.refuses = LedgerError("the disk is full")
        with pytest.raises(LedgerError, match="the disk is full"):
            await take(source, unit(716))
        register.refuses = None
        lease = await take(source, unit(717))
        assert counts(server).leased == before.leased + 2
        assert list(await source.tell([end(lease, EndKind.ABORT, Touched.NONE)])) == [None]
        assert counts(server) == before
    assert left(tmp_path) == 0


FAULTS = {
    "wrong-uid": "lease-for-another-unit",
    "wrong-suite": "seal-broken",
    "truncated": "seal-broken",
    "bit-flip": "seal-broken",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_is_refused_is_handed_back(directory: Path, tmp_path: Path, fault: str) -> None:
    with ServerProcess(directory, "--fault", fault) as server:
        before = counts(server)
        async with opened(of(server), server.pki, tmp_path) as source:
            with pytest.raises(KlmsError) as caught:
                await source.fetch(unit(720))
            assert caught.value.code == FAULTS[fault]
            assert counts(server) == before
    assert left(tmp_path) == 0


async def test_an_answer_of_100_mb_is_refused_and_what_it_named_not_forgotten(
    directory: Path, tmp_path: Path
) -> None:
    with ServerProcess(directory, "--fault", "huge") as server:
        async with opened(of(server), server.pki, tmp_path) as source:
            with pytest.raises(KlmsError, match="longer than 65536 bytes"):
                await source.fetch(unit(730))
        assert left(tmp_path) == 1
    with ServerProcess(directory) as server:
        async with opened(of(server), server.pki, tmp_path):
            assert counts(server).leased == 0


async def test_a_lease_that_has_run_out_is_never_used(directory: Path, tmp_path: Path) -> None:
    with ServerProcess(directory, "--fault", "expired") as server:
        async with opened(of(server), server.pki, tmp_path) as source:
            with pytest.raises(LeaseExpiredError, match=f"less than {WRITE_S:.1f} s left"):
                await source.fetch(unit(740))
        assert counts(server).leased == 0
    assert left(tmp_path) == 0


async def test_one_that_came_too_late_is_asked_for_again(directory: Path, tmp_path: Path) -> None:
    with ServerProcess(directory, "--fault", "expired=0.5", "--seed", "3") as server:
        async with opened(of(server), server.pki, tmp_path) as source:
            lease = await take(source, unit(750))
            assert lease.expires_at_s is not None
            assert lease.expires_at_s - time.monotonic() > WRITE_S
            await source.tell([end(lease, EndKind.ABORT, Touched.NONE)])
            assert counts(server).leased == 0


async def test_a_key_of_an_earlier_run_whose_lease_has_ended_costs_a_request(
    server: ServerProcess, tmp_path: Path
) -> None:
    async with opened(of(server), server.pki, tmp_path) as source:
        parcel = await source.fetch(unit(760))
        assert parcel.lease is not None
        (fetch,) = source._parts.journal._open.values()
        await source.tell([end(parcel.lease, EndKind.ABORT, Touched.NONE)])
        source._parts.pending.keep(fetch)
        again = await source.fetch(unit(760))
        assert again.lease is not None
        assert again.lease.lease_id != parcel.lease.lease_id


async def test_clocks_that_are_apart_are_told_of_and_decide_nothing(
    directory: Path, tmp_path: Path
) -> None:
    told = Told()
    with ServerProcess(directory, "--fault", "clock-off") as server:
        async with opened(of(server), server.pki, tmp_path, told=told) as source:
            await take(source, unit(770))
            await take(source, unit(771))
    assert ["60 minutes ahead" in sentence for sentence in told.of(CLOCK)] == [True]


async def test_ends_that_are_refused_say_why(server: ServerProcess, tmp_path: Path) -> None:
    async with opened(of(server), server.pki, tmp_path) as source:
        lease = await take(source, unit(780))
        await source.tell([end(lease, EndKind.ABORT, Touched.NONE)])
        refused = await source.tell([end(lease), _unknown(lease)])
    assert [one and one.retryable for one in refused] == [False, False]
    assert [
        words for one, words in zip(refused, ("ended", "no such lease"), strict=True)
        if words in str(one)
    ] == ["ended", "no such lease"]  # fmt: skip


def _unknown(lease: Lease) -> End:
    return msgspec.structs.replace(end(lease), lease_id="nobody")


async def test_trouble_of_trust_does_not_lose_an_end(server: ServerProcess, tmp_path: Path) -> None:
    revoked = files(server.pki, "revoked")
    async with opened(of(server), server.pki, tmp_path / "a") as source:
        lease = await take(source, unit(790))
    async with opened(of(server), server.pki, tmp_path / "b", credentials=revoked) as source:
        with pytest.raises(SourceUnavailableError, match="is revoked"):
            await source.tell([end(lease)])


async def test_a_server_that_is_away_is_no_reason_not_to_open(
    server: ServerProcess, tmp_path: Path
) -> None:
    url = "https://localhost:1"
    async with opened(url, server.pki, tmp_path, deadline_s=0.05) as source:
        with pytest.raises(SourceUnavailableError, match=f"key server {url} does not answer"):
            await source.fetch(unit(800))


async def test_a_directory_that_cannot_be_written_is_found_before_anything_is_asked(
    server: ServerProcess, tmp_path: Path
) -> None:
    (tmp_path / "fetches.jsonl").mkdir()
    with pytest.raises(LedgerError, match="fetch journal"):
        async with opened(of(server), server.pki, tmp_path):
            pass


async def test_a_source_that_is_not_open_or_a_parcel_of_another(
    server: ServerProcess, tmp_path: Path
) -> None:
    async with opened(of(server), server.pki, tmp_path) as source:
        with pytest.raises(ValueError, match="another source"):
            source.adopt(Parcel(unit(810, PROFILE)))
    closed = KlmsSource(of(server), source._files, "EOL-01", tmp_path, Register(), choose("pure"))
    with pytest.raises(ValueError, match="not open"):
        await closed.fetch(unit(810))
    await closed.close()
