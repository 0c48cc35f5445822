"""The sender: every end is told, in order for each fob, and no lane waits for it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest

from kfasync.contracts.sources import End, EndKind, Parcel, SourceFacts
from kfasync.errors import ProviderError, SourceError, SourceUnavailableError
from kfasync.ledger.attempts import Ending
from kfasync.ledger.ledger import Ledger
from kfasync.model import Disposition, Lease, Outcome, Touched, Unit
from kfasync.station import sender as module
from kfasync.station.roster import Roster
from kfasync.station.sender import Sender
from tests.station.desks import PATIENCE_S, uid, unit

pytestmark = pytest.mark.anyio

POOL = "provider:it"


class Listener:
    """A source that hears ends, or does not; nothing is leased from it here."""

    facts = SourceFacts("provider", POOL, remote=True)

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.calls: list[int] = []
        self.answers: dict[str, list[SourceError]] = {}
        self.away: list[SourceUnavailableError] = []
        self.gate: anyio.Event | None = None
        self.called = anyio.Event()

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def fetch(self, unit: Unit, *, ttl_s: int | None = None) -> Parcel:
        raise NotImplementedError

    def adopt(self, parcel: Parcel) -> Lease:
        raise NotImplementedError

    async def tell(self, ends: Sequence[End]) -> Sequence[SourceError | None]:
        self.calls.append(len(ends))
        self.called.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            raise self.away.pop(0)
        return [self._answer(end.lease_id) for end in ends]

    def _answer(self, lease_id: str) -> SourceError | None:
        if self.answers.get(lease_id):
            return self.answers[lease_id].pop(0)
        self.heard.append(lease_id)
        return None


class Office:
    """A sender with its outbox and its listener."""

    def __init__(self, directory: Path) -> None:
        self.ledger = Ledger.open(directory)
        self.listener = Listener()
        self.roster = Roster()
        self.sender = Sender(self.listener, self.ledger.outbox, self.roster)
        self.ended = 0

    def end(self, number: int, lease_id: str, pool: str = POOL) -> None:
        self.ended += 1
        end = End(uid(number), lease_id, EndKind.COMMIT, Outcome.PASS, Touched.UNKNOWN, "")
        self.ledger.finish(
            Ending(
                attempt=str(self.ended),
                record="{}",
                disposition=Disposition.PASS,
                source=pool,
                end=end,
            )
        )


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    monkeypatch.setattr(module, "RETRY_MAX_S", 0.002)
    made = Office(tmp_path)
    yield made
    made.ledger.close()


async def until_told(office: Office) -> list[str]:
    """Step as the follower does; the problems on the way."""
    problems: list[str] = []
    with anyio.fail_after(PATIENCE_S):
        while True:
            progress = await office.sender.step()
            if progress.problem not in problems[-1:]:
                problems.append(progress.problem)
            if progress.again_s is None:
                return problems
            await anyio.sleep(progress.again_s)


async def test_what_waits_is_told_in_batches(office: Office) -> None:
    names = [f"L{number}" for number in range(module.BATCH + 3)]
    for number, name in enumerate(names):
        office.end(number, name)
    assert await until_told(office) == [""]
    assert office.listener.heard == names
    assert office.listener.calls == [module.BATCH, 3]
    assert office.ledger.outbox.waiting() == []


async def test_of_one_fob_the_ends_are_told_in_their_order(office: Office) -> None:
    broken = SourceUnavailableError("it crashed")
    office.listener.answers["one"] = [broken, broken]
    for number, name in ((1, "one"), (2, "other"), (1, "two"), (1, "three")):
        office.end(number, name)
    assert (await until_told(office))[-1] == ""
    assert office.listener.heard == ["other", "one", "two", "three"]


async def test_a_source_that_is_away_is_told_when_it_is_back(office: Office) -> None:
    office.listener.away = [SourceUnavailableError("away") for _ in range(3)]
    office.end(1, "one")
    assert (await until_told(office))[-1] == ""
    assert office.listener.heard == ["one"]


async def test_a_step_ends_however_slow_the_source_is(office: Office) -> None:
    """Longer than the pause after trouble, so that every end is due again when it returns."""

    async def slowly(ends: Sequence[End]) -> Sequence[SourceError | None]:
        office.listener.calls.append(len(ends))
        await anyio.sleep(0.01)
        return [SourceUnavailableError("it crashed") for _ in ends]

    office.listener.tell = slowly  # type: ignore[method-assign]  # one source that is slow
    for number in range(3):
        office.end(number, f"L{number}")
    with anyio.fail_after(PATIENCE_S):
        assert (await office.sender.step()).problem == "ends not told yet: 3: it crashed"
    assert office.listener.calls == [3]


@pytest.mark.parametrize("trouble", ["away", "it crashed"])
async def test_what_was_not_heard_is_said_and_tried_again_after_a_while(
    office: Office, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 100.0)
    monkeypatch.setattr(module, "RETRY_MAX_S", 1000.0)
    sender = Sender(office.listener, office.ledger.outbox, office.roster)
    if trouble == "away":
        office.listener.away = [SourceUnavailableError(trouble)]
    else:
        office.listener.answers["one"] = [SourceUnavailableError(trouble)]
    for number, name in ((1, "one"), (1, "two")):
        office.end(number, name)
    for _ in range(2):  # the second time nothing is tried
        progress = await sender.step()
        assert progress.problem == f"ends not told yet: 2: {trouble}"
        assert progress.again_s is not None
        assert 0 < progress.again_s <= 100
    assert office.listener.calls == [1]
    assert office.listener.heard == []


async def test_what_is_refused_for_good_is_shown_and_not_told_again(office: Office) -> None:
    office.listener.answers["one"] = [ProviderError(-5, "no such lease")]
    office.end(1, "one")
    for _ in range(2):
        assert await until_told(office) == ["ends refused for good: 1; have the source checked"]
    assert office.listener.calls == [1]


async def test_ends_of_another_source_are_kept_for_it(office: Office) -> None:
    office.end(1, "one", pool="provider:another")
    (problem,) = await until_told(office)
    assert problem.startswith("ends that wait for provider:another, which is not the source")
    assert office.listener.calls == []


async def test_the_ends_of_a_fob_on_a_reader_are_held_back(office: Office) -> None:
    for number, name in ((1, "one"), (2, "two")):
        office.end(number, name)
    with office.roster.working_on(unit(1), "A"):
        assert await until_told(office) == [""]
        assert office.listener.heard == ["two"]
    assert await until_told(office) == [""]
    assert office.listener.heard == ["two", "one"]


async def test_a_fob_that_comes_back_waits_for_an_end_that_is_on_its_way(office: Office) -> None:
    office.listener.gate = anyio.Event()
    office.end(1, "one")
    order: list[str] = []

    async def come_back() -> None:
        with office.roster.working_on(unit(1), "A"):
            await office.sender.quiet(uid(1))
        order.append("back")

    async def step() -> None:
        await office.sender.step()
        order.append("told")

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(step)
            await office.listener.called.wait()
            await office.sender.quiet(uid(2))  # another fob does not wait
            tasks.start_soon(come_back)
            await anyio.wait_all_tasks_blocked()
            assert order == []
            office.listener.gate.set()
    assert sorted(order) == ["back", "told"]
    assert office.listener.heard == ["one"]


async def test_a_backlog_that_grows_is_told_of(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends of fobs on readers are held back, and yet too many of them are no good sign."""
    monkeypatch.setattr(module, "BACKLOG", 2)
    with ExitStack() as lying:
        for number in range(3):
            office.end(number, f"L{number}")
            lying.enter_context(office.roster.working_on(unit(number), str(number)))
        assert await until_told(office) == ["ends not told yet: 3: more than one step can tell"]
    assert await until_told(office) == [""]
