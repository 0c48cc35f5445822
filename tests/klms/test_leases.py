import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from kfasync.contracts.klms import End
from kfasync.contracts.klms_problems import Problem
from kfasync.klms.leases import Ask, Grant, Leases
from kfasync.klms.refusal import ProblemError
from kfasync.klms.standing import Standing
from kfasync.klms.store import Store
from tests.klms.world import AID, PROFILE, fill

UID, OTHER = "04A1B2C3D4E5F6", "04FFFFFFFFFFFF"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(store: Store, clock: Clock) -> Leases:
    return Leases(store, clock)


KEYS = iter(f"key-{number}" for number in range(1_000_000))


def ask(uid: str = UID, station: str = "EOL-01", **more: object) -> Ask:
    asked = Ask(station, next(KEYS), uid, AID, PROFILE, 5)
    return msgspec.structs.replace(asked, **more)


def end(grant: Grant, kind: str = "commit", word: str = "pass") -> End:
    outcome, touched = (word, "partial") if kind == "commit" else ("incomplete", word)
    return msgspec.convert(
        {"lease_id": grant.lease_id, "end": kind, "outcome": outcome, "touched": touched}, End
    )


def told(leases: Leases, *ends: End, station: str = "EOL-01") -> list[str]:
    found = leases.end(station, ends)
    return [one.code if isinstance(one, Problem) else one for one in found]


def refused(leases: Leases, asked: Ask) -> Problem:
    with pytest.raises(ProblemError) as caught:
        leases.lease(asked)
    return caught.value.problem


def test_two_units_get_two_contents(leases: Leases) -> None:
    one, other = leases.lease(ask()), leases.lease(ask(OTHER))
    assert one.new
    assert other.new
    assert one.fesn != other.fesn


def test_the_same_uid_with_another_applet_is_another_unit(leases: Leases) -> None:
    assert leases.lease(ask()).fesn != leases.lease(ask(aid="A000000151")).fesn


def test_a_unit_keeps_its_content_under_another_profile(leases: Leases, store: Store) -> None:
    with store.transaction() as db:
        db.execute("INSERT INTO profile VALUES ('renamed', x'', x'')")
    first = leases.lease(ask())
    assert leases.lease(ask(profile="renamed")).fesn == first.fesn
    assert refused(leases, ask(OTHER, profile="renamed")) is Problem.POOL_EMPTY


def test_the_same_key_gives_the_same_lease_and_what_is_left(leases: Leases, clock: Clock) -> None:
    asked = ask()
    first = leases.lease(asked)
    clock.now += 1.5
    again = leases.lease(asked)
    assert (again.lease_id, again.fesn, again.new, again.ttl_s) == (
        first.lease_id,
        first.fesn,
        False,
        3,
    )


def test_the_same_key_after_the_ttl_gives_the_lease_to_end_it(leases: Leases, clock: Clock) -> None:
    asked = ask()
    first = leases.lease(asked)
    clock.now += 60
    again = leases.lease(asked)
    assert (again.lease_id, again.ttl_s) == (first.lease_id, 0)
    assert told(leases, end(again, "abort", "none")) == ["free"]
    assert refused(leases, asked) is Problem.LEASE_ENDED


@pytest.mark.parametrize("change", [{"uid": OTHER}, {"aid": "A000000151"}, {"profile": "other"}])
def test_a_key_stands_for_one_request(leases: Leases, change: dict[str, str]) -> None:
    asked = ask()
    leases.lease(asked)
    reused = msgspec.structs.replace(asked, **change)
    assert refused(leases, reused) is Problem.IDEMPOTENCY_KEY_REUSED


def test_a_key_belongs_to_its_station(leases: Leases) -> None:
    asked = ask()
    first = leases.lease(asked)
    other = leases.lease(msgspec.structs.replace(asked, station="EOL-02", uid=OTHER))
    assert other.lease_id != first.lease_id


def test_a_new_key_renews_and_the_lease_before_is_expired(leases: Leases) -> None:
    asked = ask()
    first = leases.lease(asked)
    second = leases.lease(ask())
    assert (second.fesn, second.new, second.ttl_s) == (first.fesn, True, 5)
    assert second.lease_id != first.lease_id
    assert leases.lease(asked).ttl_s == 0


def test_expiry_frees_nothing(leases: Leases, clock: Clock) -> None:
    first = leases.lease(ask())
    clock.now += 1_000_000
    others = {leases.lease(ask(f"0400000{n}")).fesn for n in range(4)}
    assert first.fesn not in others
    assert refused(leases, ask(OTHER)) is Problem.POOL_EMPTY
    assert leases.lease(ask()).fesn == first.fesn


def test_another_station_waits_for_the_expiry_and_gets_the_same(
    leases: Leases, clock: Clock
) -> None:
    first = leases.lease(ask())
    assert refused(leases, ask(station="EOL-02")) is Problem.UNIT_LEASED_ELSEWHERE
    clock.now += 5.1
    assert leases.lease(ask(station="EOL-02")).fesn == first.fesn


def test_an_end_is_taken_after_the_ttl(leases: Leases, clock: Clock) -> None:
    grant = leases.lease(ask())
    clock.now += 3600
    assert told(leases, end(grant)) == ["consumed"]


@pytest.mark.parametrize(
    ("kind", "word", "content", "then"),
    [
        ("commit", "pass", "consumed", Problem.UNIT_PROVISIONED),
        ("commit", "fail", "quarantined", Problem.UNIT_REJECTED),
        ("commit", "error", "quarantined", Problem.UNIT_REJECTED),
        ("abort", "none", "free", None),
        ("abort", "partial", "bound", None),
        ("abort", "unknown", "bound", None),
    ],
)
def test_an_end_is_told_twice_and_answered_the_same(
    leases: Leases, store: Store, kind: str, word: str, content: str, then: Problem | None
) -> None:
    grant = leases.lease(ask())
    assert Standing(store).repeats() == 0
    assert told(leases, end(grant, kind, word), end(grant, kind, word)) == [content] * 2
    assert told(leases, end(grant, kind, word)) == [content]
    assert Standing(store).repeats() == 2
    if then is not None:
        assert refused(leases, ask()) is then


def test_an_end_told_in_another_way_changes_nothing(leases: Leases) -> None:
    grant = leases.lease(ask())
    answers = told(leases, end(grant), end(grant, "commit", "fail"), end(grant, "abort", "none"))
    assert answers == ["consumed", "lease-ended", "lease-ended"]


def test_a_batch_answers_each_end_and_one_refusal_touches_no_other(leases: Leases) -> None:
    mine, theirs = leases.lease(ask()), leases.lease(ask(OTHER, station="EOL-02"))
    nobody = msgspec.structs.replace(theirs, lease_id="nobody")
    answers = told(leases, end(nobody), end(theirs), end(mine))
    assert answers == ["lease-unknown", "lease-of-another-station", "consumed"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_content_is_free_when_every_lease_has_ended_with_none(
    leases: Leases, order: tuple[int, int]
) -> None:
    both = [leases.lease(ask()), leases.lease(ask())]
    answers = [told(leases, end(both[n], "abort", "none")) for n in order]
    assert answers == [["bound"], ["free"]]


def test_touched_once_is_touched_for_good(leases: Leases) -> None:
    first, second = leases.lease(ask()), leases.lease(ask())
    assert told(leases, end(first, "abort", "partial")) == ["bound"]
    assert told(leases, end(second, "abort", "none")) == ["bound"]
    third = leases.lease(ask())
    assert third.fesn == first.fesn
    assert told(leases, end(third, "abort", "none")) == ["bound"]


def test_the_first_commit_of_any_lease_decides(leases: Leases) -> None:
    asked = ask()
    first, second = leases.lease(asked), leases.lease(ask())
    assert told(leases, end(first)) == ["consumed"]
    assert told(leases, end(second, "commit", "fail")) == ["consumed"]
    assert refused(leases, asked) is Problem.LEASE_ENDED


def test_a_replay_after_the_unit_is_done_says_so(leases: Leases) -> None:
    asked = ask()
    leases.lease(asked)
    assert told(leases, end(leases.lease(ask()))) == ["consumed"]
    assert refused(leases, asked) is Problem.UNIT_PROVISIONED


def test_what_is_final_leaves_no_secret(leases: Leases, store: Store) -> None:
    grant = leases.lease(ask())
    assert told(leases, end(grant)) == ["consumed"]
    with store.reading() as db:
        (left,) = db.execute("SELECT secrets FROM content WHERE fesn = ?", (grant.fesn,)).fetchone()
    assert left == b""


def test_an_unknown_profile_and_an_empty_pool(leases: Leases) -> None:
    assert refused(leases, ask(profile="other")) is Problem.PROFILE_UNKNOWN
    for number in range(5):
        leases.lease(ask(f"0400000{number}"))
    assert refused(leases, ask(OTHER)) is Problem.POOL_EMPTY


class Issue(RuleBasedStateMachine):
    """Whatever is asked and told in whatever order, content is one unit's and stays at its end."""

    grants: Bundle[tuple[str, str, Grant]] = Bundle("grants")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.store = fill(Path(self.directory.name) / "pool.sqlite", 3)
        self.clock = Clock()
        self.leases = Leases(self.store, self.clock)
        self.written: dict[str, str] = {}  # content that may be on a fob, and on which
        self.final: dict[str, str] = {}

    @rule(
        target=grants,
        uid=st.sampled_from(["04000001", "04000002", "04000003", "04000004"]),
        station=st.sampled_from(["EOL-01", "EOL-02"]),
    )
    def lease(self, uid: str, station: str) -> tuple[str, str, Grant]:
        try:
            grant = self.leases.lease(ask(uid, station))
        except ProblemError:
            return station, uid, Grant("none", 0, False, "", "", b"", b"", b"", b"")
        assert self.written.get(grant.fesn, uid) == uid
        assert grant.fesn not in self.final
        return station, uid, grant

    @rule(
        grant=grants,
        kind=st.sampled_from(["commit", "abort"]),
        outcome=st.sampled_from(["pass", "fail"]),
        touched=st.sampled_from(["none", "partial", "unknown"]),
    )
    def end(self, grant: tuple[str, str, Grant], kind: str, outcome: str, touched: str) -> None:
        station, uid, given = grant
        word = outcome if kind == "commit" else touched
        (answer,) = told(self.leases, end(given, kind, word), station=station)
        if answer in ("consumed", "quarantined"):
            assert self.final.setdefault(given.fesn, answer) == answer
        if answer in ("consumed", "quarantined") or (answer == "bound" and touched != "none"):
            assert self.written.setdefault(given.fesn, uid) == uid

    @rule(seconds=st.sampled_from([1, 10]))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @invariant()
    def the_figures_add_up(self) -> None:
        counts = Standing(self.store).counts(PROFILE)
        assert counts.free + counts.leased + counts.consumed + counts.quarantined == 3
        assert counts.consumed + counts.quarantined == len(self.final)

    def teardown(self) -> None:
        self.store.close()
        self.directory.cleanup()


TestIssue = Issue.TestCase
TestIssue.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
