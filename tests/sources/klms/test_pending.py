"""Requests that nobody knows the end of: asked again with their key, or handed back."""

import time
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kfasync.errors import KlmsError, SourceUnavailableError
from kfasync.sources.klms.breaker import Breaker
from kfasync.sources.klms.client import Client
from kfasync.sources.klms.content import lease_id_of
from kfasync.sources.klms.journal import FetchJournal
from kfasync.sources.klms.link import Link
from kfasync.sources.klms.pending import Pending
from kfasync.sources.klms.seal import RecipientKey
from tests.klms.world import ServerProcess
from tests.sources.klms.world import STATION, counts, files, of, unit

pytestmark = pytest.mark.anyio


def soon() -> float:
    return time.monotonic() + 20.0


@asynccontextmanager
async def pending_of(
    server: ServerProcess, directory: Path, keys: Iterable[str] = ()
) -> AsyncIterator[Pending]:
    """As a station has it from its start to its kill: the journal stays."""
    link = Link(of(server), STATION, files(server.pki), lambda sentence: None)
    journal = FetchJournal.open(directory)
    made = iter(keys)
    client = Client(of(server), link, Breaker(lambda reason: None))
    try:
        yield Pending(journal, client, STATION, lambda: next(made, str(uuid.uuid4())))
    finally:
        link.close()
        journal.close()


def left(directory: Path) -> int:
    journal = FetchJournal.open(directory)
    journal.close()
    return len(journal.left)


async def test_a_run_that_was_killed_gets_the_same_lease_the_next_time(
    server: ServerProcess, tmp_path: Path
) -> None:
    async with pending_of(server, tmp_path) as pending:
        fetch, new = await pending.begin(unit(101))
        assert new
        granted = await pending.ask(fetch, RecipientKey(), soon())
    async with pending_of(server, tmp_path) as pending:
        again, new = await pending.begin(unit(101))
        assert (again, new) == (fetch, False)
        renewed = await pending.ask(again, RecipientKey(), soon())
        assert lease_id_of(renewed.body) == lease_id_of(granted.body)
        await pending.hand_back(again, renewed.body, soon())
    assert left(tmp_path) == 0


async def test_what_no_unit_comes_for_is_handed_back(server: ServerProcess, tmp_path: Path) -> None:
    before = counts(server)
    async with pending_of(server, tmp_path) as pending:
        for number in (111, 112):
            fetch, _ = await pending.begin(unit(number))
            await pending.ask(fetch, RecipientKey(), soon())
        never_sent, _ = await pending.begin(unit(113))
    assert counts(server).leased == before.leased + 2
    async with pending_of(server, tmp_path) as pending:
        await pending.hand_back_all(soon())
        # It was the last that this station knew of the unit.
        assert (await pending.begin(unit(113)))[0].key != never_sent.key
    assert counts(server) == before
    assert left(tmp_path) == 1


async def test_what_has_ended_at_the_server_is_over(server: ServerProcess, tmp_path: Path) -> None:
    key = str(uuid.uuid4())
    async with pending_of(server, tmp_path, [key]) as pending:
        fetch, _ = await pending.begin(unit(121))
        granted = await pending.ask(fetch, RecipientKey(), soon())
        await pending.hand_back(fetch, granted.body, soon())
        assert left(tmp_path) == 0
    (tmp_path / "second").mkdir()
    async with pending_of(server, tmp_path / "second", [key]) as pending:
        await pending.begin(unit(121))
        await pending.hand_back_all(soon())
    # Told nothing but "lease-ended", there was a key more in the books than leases.
    async with pending_of(server, tmp_path / "second") as pending:
        await pending.hand_back_all(soon())
    assert left(tmp_path / "second") == 0


async def test_what_the_server_refuses_is_over(server: ServerProcess, tmp_path: Path) -> None:
    async with pending_of(server, tmp_path) as pending:
        fetch, _ = await pending.begin(unit(131, "no-such-pool"))
        with pytest.raises(KlmsError, match="there is no such profile"):
            await pending.ask(fetch, RecipientKey(), soon())
    assert left(tmp_path) == 0


async def test_with_the_server_away_everything_is_kept(directory: Path, tmp_path: Path) -> None:
    with ServerProcess(directory) as server:
        async with pending_of(server, tmp_path) as pending:
            one, _ = await pending.begin(unit(141))
            granted = await pending.ask(one, RecipientKey(), soon())
            server.kill()
            two, _ = await pending.begin(unit(142))
            with pytest.raises(SourceUnavailableError):
                await pending.ask(two, RecipientKey(), time.monotonic() + 0.05)
            await pending.hand_back(one, granted.body, time.monotonic() + 0.05)
            assert (await pending.begin(unit(142))) == (two, False)
            pending.keep(two)
            await pending.hand_back_all(time.monotonic() + 0.05)
    assert left(tmp_path) == 2


async def test_an_answer_that_names_no_lease_is_asked_for_again(
    server: ServerProcess, tmp_path: Path
) -> None:
    before = counts(server)
    async with pending_of(server, tmp_path) as pending:
        fetch, _ = await pending.begin(unit(151))
        await pending.ask(fetch, RecipientKey(), soon())
        await pending.hand_back(fetch, b"{}", soon())
    assert counts(server) == before
    assert left(tmp_path) == 0


async def test_what_a_waiting_fob_may_ask_for_again_is_not_handed_back_yet(
    server: ServerProcess, tmp_path: Path
) -> None:
    before = counts(server)
    async with pending_of(server, tmp_path) as pending:
        fetch, _ = await pending.begin(unit(161))
        await pending.ask(fetch, RecipientKey(), soon())
        pending.keep(fetch)
        await pending.hand_back_all(soon(), older_than_s=60.0)
        assert counts(server).leased == before.leased + 1
        await pending.hand_back_all(soon())
    assert counts(server) == before


async def test_of_two_requests_of_one_unit_one_is_used_and_one_handed_back(
    server: ServerProcess, tmp_path: Path
) -> None:
    before = counts(server)
    async with pending_of(server, tmp_path) as pending:
        fetches = [(await pending.begin(unit(171)))[0] for _ in range(2)]
        for fetch in fetches:
            await pending.ask(fetch, RecipientKey(), soon())
    async with pending_of(server, tmp_path) as pending:
        assert await pending.begin(unit(171)) == (fetches[1], False)
        pending.keep(fetches[1])
        await pending.hand_back_all(soon())
    assert counts(server) == before
    assert left(tmp_path) == 0
