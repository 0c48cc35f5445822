"""The prefetcher against a plain model, with the reference key server's own books beside it.

Whatever is announced, comes, does not come, fails or takes its time, and in whatever order: no
lease is kept past its time to live, none is leaked, none is used twice, and every one is ended.

PREFETCH_EXAMPLES says how many histories are tried on each loop, 12 where it is not set.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from kfasync.contracts.klms import End as WireEnd
from kfasync.contracts.klms_problems import Problem
from kfasync.contracts.sources import End, EndKind, Parcel, SourceFacts
from kfasync.errors import KlmsError, SourceError, SourceUnavailableError, UnitError
from kfasync.klms.leases import Ask, Leases
from kfasync.klms.refusal import ProblemError
from kfasync.klms.store import Store
from kfasync.ledger.ledger import Ledger
from kfasync.model import Content, KeyCheckValues, KeySet, Lease, Outcome, Touched, Unit
from kfasync.secret import Secret
from kfasync.station.fetches import Fetch, Fetches
from kfasync.station.prefetch import AHEAD_MAX, HELD_MAX, Prefetch
from kfasync.station.roster import Roster
from kfasync.station.sender import Sender
from kfasync.station.writetime import WriteTime
from tests.klms.world import PROFILE, fill
from tests.station.desks import AID, PATIENCE_S, uid

EXAMPLES = int(os.environ.get("PREFETCH_EXAMPLES", "12"))
FOBS = 7
CONTENTS = 6  # one fob finds the pool empty
LANES = 2
TURNS = 10  # of the event loop: more than anything waits for one after the other
STATION, POOL = "EOL-01", "klms"


class Clock:
    """Time that passes when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Server:
    """A source whose answers come when they are let go, over the books of the reference KLMS.

    Attributes:
        waiting: what has been asked for, in order, and how it is let go.
        granted: every lease so far, by its name.
        told: the names of those that it has heard the end of.
    """

    facts = SourceFacts(POOL, POOL, remote=True)

    def __init__(self, leases: Leases, clock: Clock) -> None:
        self._leases = leases
        self._clock = clock
        self.waiting: list[tuple[Unit, anyio.Event, list[Exception]]] = []
        self.granted: dict[str, Lease] = {}
        self.told: set[str] = set()

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def fetch(self, unit: Unit, *, ttl_s: int | None = None) -> Parcel:
        asked_s, gate, errors = self._clock(), anyio.Event(), list[Exception]()
        self.waiting.append((unit, gate, errors))
        await gate.wait()
        if errors:
            raise errors[0]
        ttl_s = min(ttl_s or 5, 30)
        ask = Ask(STATION, str(uuid.uuid4()), unit.uid.hex(), unit.aid.hex(), PROFILE, ttl_s)
        try:
            grant = self._leases.lease(ask)
        except ProblemError as error:
            if error.problem is Problem.UNIT_PROVISIONED:
                raise UnitError("") from error
            empty = error.problem is Problem.POOL_EMPTY
            raise KlmsError(error.problem.code, "", "", pool_empty=empty) from error
        secret = Secret(b"\x01" * 16)
        keys = KeySet(255, secret, secret, secret, KeyCheckValues(b"", b"", b""))
        lease = Lease(
            grant.lease_id,
            unit,
            Content(grant.fesn, grant.spid),
            keys,
            (),
            (secret,),
            expires_at_s=asked_s + ttl_s,
        )
        self.granted[grant.lease_id] = lease
        return Parcel(unit, lease)

    def adopt(self, parcel: Parcel) -> Lease:
        raise NotImplementedError

    async def tell(self, ends: Sequence[End]) -> Sequence[SourceError | None]:
        answers = self._leases.end(STATION, [_wire(end) for end in ends])
        assert not any(isinstance(one, Problem) for one in answers), answers
        self.told |= {end.lease_id for end in ends}
        return [None for _ in ends]


def _wire(end: End) -> WireEnd:
    return WireEnd(end.lease_id, end.kind.value, end.outcome.value, end.touched.value)


class Attempt:
    """A fob on a reader: what an attempt does with fetches and roster, and nothing else."""

    def __init__(self, unit: Unit, fetch: Fetch | None, on_reader: ExitStack) -> None:
        self.unit = unit
        self.fetch = fetch
        self.on_reader = on_reader
        self.taking: Future[Parcel] | None = None
        self.lease: Lease | None = None


class Line(RuleBasedStateMachine):
    """A station's fetches, and fobs that are announced and come."""

    backend = "asyncio"
    filled: Path

    @initialize()
    def begin(self) -> None:
        self.parts = ExitStack()
        directory = Path(self.parts.enter_context(tempfile.TemporaryDirectory()))
        shutil.copy(self.filled, directory / "pool.sqlite")
        self.clock = Clock()
        store = Store(directory / "pool.sqlite")
        self.parts.callback(store.close)
        self.ledger = Ledger.open(directory / "var")
        self.parts.callback(self.ledger.close)
        self.server = Server(Leases(store, self.clock), self.clock)
        self.store = store
        self.roster = Roster()
        self.write_time = WriteTime()
        self.sender = Sender(self.server, self.ledger.outbox, self.roster)
        self.fetches = Fetches(
            self.server,
            self.sender,
            self.roster,
            self.write_time,
            self.put,
            clock=self.clock,
        )
        self.prefetch = Prefetch(
            self.fetches,
            self.write_time,
            lambda number: Unit(number, number, b"", AID, PROFILE),
            self.clock,
        )
        self.lanes: list[Attempt | None] = [None] * LANES
        self.used: set[str] = set()
        self.ended: set[str] = set()
        self.passed: set[bytes] = set()
        self.portal = self.parts.enter_context(
            anyio.from_thread.start_blocking_portal(self.backend)
        )
        self.running, self.scope = self.portal.start_task(self.run)
        self.stopped = False

    def put(self, end: End) -> None:
        assert end.lease_id not in self.ended, "ended twice"
        self.ledger.outbox.put(POOL, end)
        self.ended.add(end.lease_id)

    async def run(self, *, task_status: Any) -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                await tasks.start(self.fetches.run)
                task_status.started(scope)

    def act(self, do: Callable[[], Awaitable[Any]] | None = None) -> None:
        """Do it, and let everything that follows from it happen."""

        async def work() -> None:
            with anyio.fail_after(PATIENCE_S):
                if do is not None:
                    await do()
                await self.settle()

        self.portal.call(work)

    async def settle(self) -> None:
        for _ in range(3):  # a step may drop what the next one fetches again
            self.prefetch.step()
            for _ in range(TURNS):
                await anyio.lowlevel.checkpoint()
            while self.fetches._returning:  # noqa: ASYNC110  # in a thread, which tells nobody
                await anyio.sleep(0.001)
            for _ in range(TURNS):
                await anyio.lowlevel.checkpoint()
        await self.sender.step()

    # ------------------------------------------------------------------ what can happen

    @rule(number=st.integers(0, FOBS - 1))
    def announce(self, number: int) -> None:
        async def do() -> None:
            assert self.prefetch.announce(uid(number))

        self.act(do)

    @precondition(lambda self: self.server.waiting)
    @rule(which=st.integers(0, 99))
    def fetch_done(self, which: int) -> None:
        self.answer(which, [])

    @precondition(lambda self: self.server.waiting)
    @rule(
        which=st.integers(0, 99),
        error=st.sampled_from([SourceUnavailableError, SourceError, UnitError, RuntimeError]),
    )
    def fetch_failed(self, which: int, error: type[Exception]) -> None:
        self.answer(which, [error("")])

    def answer(self, which: int, errors: list[Exception]) -> None:
        _, gate, failing = self.server.waiting.pop(which % len(self.server.waiting))
        failing += errors

        async def do() -> None:
            gate.set()

        self.act(do)

    @rule(number=st.integers(0, FOBS - 1), lane=st.integers(0, LANES - 1))
    def fob_comes(self, number: int, lane: int) -> None:
        """On this lane, or it is on the other one and this is refused."""
        if self.lanes[lane] is not None or uid(number) in self.passed or self.stopped:
            return
        unit = Unit(uid(number), uid(number), b"\x3b", AID, PROFILE)
        on_reader = ExitStack()
        try:
            on_reader.enter_context(self.roster.working_on(unit, f"reader {lane}"))
        except UnitError:
            return
        good = [one for one in self.unended(unit) if self.left(one) > 2.25 and self.is_here(one)]
        asked = len(self.server.waiting)

        async def do() -> None:
            self.lanes[lane] = Attempt(unit, self.fetches.ask(unit), on_reader)

        self.act(do)
        if good:  # it was there, and nobody was asked again
            assert not any(one.uid == unit.uid for one, _, _ in self.server.waiting[asked:])

    @rule(lane=st.integers(0, LANES - 1))
    def lease_is_needed(self, lane: int) -> None:
        attempt = self.lanes[lane]
        if attempt is None or attempt.taking is not None:
            return
        fetch, attempt.fetch = attempt.fetch, None
        attempt.taking = self.portal.start_task_soon(self.fetches.take, attempt.unit, fetch)
        self.act()

    @rule(lane=st.integers(0, LANES - 1), passes=st.booleans())
    def fob_ends(self, lane: int, passes: bool) -> None:
        attempt = self.lanes[lane]
        if attempt is None or (attempt.taking is not None and not attempt.taking.done()):
            return  # it waits for its lease, however long that takes
        self.lanes[lane] = None
        self.act(lambda: self.end(attempt, passes=passes))

    async def end(self, attempt: Attempt, *, passes: bool) -> None:
        lease = attempt.lease
        if attempt.fetch is not None:
            lease = self.fetches.leave(attempt.fetch, "00")
        if lease is not None:
            wipe(lease)
            passes = passes and attempt.lease is not None
            end = End(
                lease.unit.uid,
                lease.lease_id,
                EndKind.COMMIT if passes else EndKind.ABORT,
                Outcome.PASS if passes else Outcome.INCOMPLETE,
                Touched.PARTIAL if passes else Touched.NONE,
                "00",
            )
            self.put(end)
            if passes:
                self.passed.add(lease.unit.uid)
        attempt.on_reader.close()

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 10.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds
        self.act()

    @rule()
    def stop(self) -> None:
        """What is on its way then is waited for."""
        self.stopped = True
        self.portal.call(self.scope.cancel)
        while self.server.waiting:
            self.answer(0, [])
        self.running.result(PATIENCE_S)
        self.act()

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def every_lease_is_somebodys_or_over(self) -> None:
        if not hasattr(self, "server"):
            return
        for attempt in self.lanes:
            self.look_at(attempt)
        owned = {one.lease.lease_id for one in self.lanes if one is not None and one.lease}
        for name, lease in self.server.granted.items():
            here = self.is_here(lease)
            assert here + (name in owned) + self.is_over(lease) == 1, "leaked, or two have it"
            assert is_wiped(lease) == self.is_over(lease)
            # Wanted: an attempt that looks at it when it needs it.
            if here and not self.fetches._all[lease.unit.uid, AID].wanted:
                assert self.left(lease) > self.write_time.p99_s, "kept past its time"
        figures = self.prefetch.figures()
        assert figures.ahead <= min(HELD_MAX, FOBS)
        assert sum(not one.overtaken for one in self.prefetch._ahead.values()) <= AHEAD_MAX
        wanted = [one.unit.uid for one in self.lanes if one is not None]
        assert not any(uid in wanted for uid, _ in self.prefetch._ahead), "a lane works on it"
        asked = [unit.uid for unit, _, _ in self.server.waiting]
        assert len(asked) == len(set(asked)), "asked for twice at one time"

    def look_at(self, attempt: Attempt | None) -> None:
        """An attempt that has got its lease now."""
        if attempt is None or attempt.lease is not None:
            return
        if attempt.taking is None or not attempt.taking.done() or attempt.taking.exception():
            return
        attempt.lease = lease = attempt.taking.result(0).lease
        assert lease is not None
        assert lease.unit == attempt.unit
        assert lease.lease_id not in self.used, "used twice"
        self.used.add(lease.lease_id)
        assert self.left(lease) >= self.write_time.p99_s, "used with too little left"

    def is_here(self, lease: Lease) -> bool:
        fetch = self.fetches._all.get((lease.unit.uid, AID))
        parcel = fetch.parcel if fetch is not None else None
        return parcel is not None and parcel.lease is lease

    def is_over(self, lease: Lease) -> bool:
        return lease.lease_id in self.ended

    def unended(self, unit: Unit) -> list[Lease]:
        return [
            one
            for one in self.server.granted.values()
            if one.unit.uid == unit.uid and not self.is_over(one)
        ]

    def left(self, lease: Lease) -> float:
        assert lease.expires_at_s is not None
        return lease.expires_at_s - self.clock.now

    def teardown(self) -> None:
        if not hasattr(self, "server"):
            return
        with self.parts:
            self.stop()
            self.every_lease_is_somebodys_or_over()
            for lane in range(LANES):
                self.fob_ends(lane, passes=True)
            self.every_lease_is_somebodys_or_over()
            assert self.roster.uids() == frozenset()
            with self.store.reading() as db:
                (unended,) = db.execute("SELECT count(*) FROM lease WHERE ended IS NULL").fetchone()
                states = dict(db.execute("SELECT state, count(*) FROM content GROUP BY 1"))
            assert unended == 0
            assert self.server.told == self.ended == set(self.server.granted)
            free, consumed = CONTENTS - len(self.passed), len(self.passed)
            assert states == {k: n for k, n in (("free", free), ("consumed", consumed)) if n}


def wipe(lease: Lease) -> None:
    for secret in lease.secrets:
        secret.wipe()


def is_wiped(lease: Lease) -> bool:
    return not any(any(secret.expose()) for secret in lease.secrets)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pool") / "pool.sqlite"
    fill(path, CONTENTS).close()
    return path


@pytest.fixture(params=["asyncio", "trio"])
def line(filled: Path, request: pytest.FixtureRequest) -> Iterator[Line]:
    """One that a test goes through by hand."""
    one = Line()
    one.filled, one.backend = filled, request.param
    one.begin()
    try:
        yield one
    finally:
        one.teardown()


def ahead(line: Line) -> list[int]:
    """The numbers of the fobs that have a lease, in the order announced."""
    return sorted(int.from_bytes(uid[1:]) for uid, _ in line.prefetch._ahead)


def answer_all(line: Line) -> None:
    while line.server.waiting:
        line.fetch_done(0)


def serve(line: Line, number: int) -> None:
    line.fob_comes(number, 0)
    line.lease_is_needed(0)
    answer_all(line)
    line.every_lease_is_somebodys_or_over()
    line.fob_ends(0, passes=False)


def test_the_first_lease_says_how_many_more_there_can_be(line: Line) -> None:
    for number in range(5):
        line.announce(number)
    assert [unit.uid for unit, _, _ in line.server.waiting] == [uid(0)]
    answer_all(line)
    assert ahead(line) == [0, 1, 2, 3, 4]


def test_a_line_that_overtakes_its_first_lease_learns_from_it_all_the_same(line: Line) -> None:
    for number in range(5):
        line.announce(number)
    for number in range(2):
        line.fob_comes(number, number)  # while its lease is on its way
    assert [unit.uid for unit, _, _ in line.server.waiting] == [uid(0), uid(1), uid(2)]
    line.fetch_done(0)
    asked = {unit.uid for unit, _, _ in line.server.waiting}
    assert asked == {uid(1), uid(2), uid(3), uid(4)}
    for lane in range(2):
        line.lease_is_needed(lane)
        answer_all(line)
        line.every_lease_is_somebodys_or_over()
        line.fob_ends(lane, passes=False)


def test_a_slow_line_has_fewer_ahead(line: Line) -> None:
    for number in range(6):
        line.announce(number)
    for number in range(6):
        line.time_passes(10.0)
        serve(line, number)
    # 23 s from the server, 2.5 of them kept back, and a fob every few seconds by now.
    assert 2 <= line.prefetch._depth() <= 4
    for _ in range(40):
        line.prefetch._pace.add(line.clock.now)
        line.clock.now += 30.0
    assert line.prefetch._depth() == 1  # a pause counts for no more than a lease is good for


def test_one_that_others_overtake_makes_room_for_them(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kfasync.station.prefetch.HELD_MAX", 3)
    monkeypatch.setattr("kfasync.station.prefetch.AHEAD_MAX", 2)
    for number in range(6):
        line.announce(number)
    answer_all(line)
    assert ahead(line) == [0, 1]
    serve(line, 1)
    answer_all(line)
    assert ahead(line) == [0, 2, 3]
    serve(line, 3)
    answer_all(line)
    assert ahead(line) == [2, 4, 5]
    figures = line.prefetch.figures()
    assert (figures.taken, figures.dropped, figures.announced) == (2, 1, 3)


def test_while_nobody_comes_nothing_is_fetched_and_the_order_is_kept(line: Line) -> None:
    line.announce(0)
    answer_all(line)
    line.time_passes(40.0)
    assert line.prefetch.figures().renewed == 1
    answer_all(line)
    line.time_passes(40.0)
    line.announce(1)
    line.time_passes(1.0)
    assert line.server.waiting == []
    figures = line.prefetch.figures()
    assert (figures.announced, figures.ahead, figures.dropped) == (2, 0, 1)
    line.fob_comes(5, 0)
    line.lease_is_needed(0)
    asked = {unit.uid for unit, _, _ in line.server.waiting}
    assert asked == {uid(5), uid(0), uid(1)}


def test_one_that_does_not_come_while_others_do_is_forgotten(line: Line) -> None:
    line.announce(0)
    answer_all(line)
    for _ in range(2):
        serve(line, 5)
        line.time_passes(40.0)
        answer_all(line)
    assert line.prefetch.figures().announced == 0


def test_a_source_that_is_away_is_asked_again_later_and_in_order(line: Line) -> None:
    line.announce(0)
    line.announce(1)
    for wait_s in (1.0, 2.0):
        line.fetch_failed(0, SourceUnavailableError)
        line.time_passes(wait_s - 0.1)
        assert line.server.waiting == []
        line.time_passes(0.1)
        assert [unit.uid for unit, _, _ in line.server.waiting] == [uid(0)]
    answer_all(line)
    assert ahead(line) == [0, 1]


def test_a_fob_that_is_there_gets_what_is_left(line: Line) -> None:
    for number in range(CONTENTS):
        line.announce(number)
    answer_all(line)
    assert len(ahead(line)) == CONTENTS
    line.fob_comes(FOBS - 1, 0)
    line.lease_is_needed(0)
    answer_all(line)
    attempt = line.lanes[0]
    assert attempt is not None
    assert attempt.taking is not None
    assert isinstance(attempt.taking.exception(), SourceUnavailableError)
    assert ahead(line) == [0, 1, 2, 3, 4]  # the last one gives way, and is not fetched again
    attempt.taking = None
    line.lease_is_needed(0)
    answer_all(line)
    line.every_lease_is_somebodys_or_over()
    assert attempt.lease is not None


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_history_leaks_a_lease(filled: Path, backend: str) -> None:
    machine: type[RuleBasedStateMachine] = type(
        f"{Line.__name__} on {backend}", (Line,), {"backend": backend, "filled": filled}
    )
    case = machine.TestCase
    case.settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)
    case().runTest()
