import pytest

from kfasync.contracts.klms import PoolAnswer
from kfasync.contracts.klms_problems import Problem
from kfasync.errors import SourceError
from kfasync.klms.leases import Leases
from kfasync.klms.refusal import ProblemError
from kfasync.klms.standing import Standing
from kfasync.klms.store import Store
from tests.klms.test_leases import OTHER, UID, Clock, ask, end, told
from tests.klms.world import AID, PROFILE


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(store: Store, clock: Clock) -> Leases:
    return Leases(store, clock)


@pytest.fixture
def standing(store: Store, clock: Clock) -> Standing:
    return Standing(store, clock)


def test_the_figures_of_a_pool(leases: Leases, standing: Standing) -> None:
    told(leases, end(leases.lease(ask("04000001"))))
    told(leases, end(leases.lease(ask("04000002")), "commit", "fail"))
    leases.lease(ask("04000003"))
    assert standing.counts(PROFILE) == PoolAnswer(PROFILE, 2, 1, 1, 1)
    assert standing.profiles() == (PROFILE,)


def test_a_profile_without_content_has_zeros(standing: Standing, store: Store) -> None:
    with store.transaction() as db:
        db.execute("INSERT INTO profile VALUES ('empty', x'', x'')")
    assert standing.counts("empty") == PoolAnswer("empty", 0, 0, 0, 0)


def test_no_such_profile(standing: Standing) -> None:
    with pytest.raises(ProblemError) as caught:
        standing.counts("other")
    assert caught.value.problem is Problem.PROFILE_UNKNOWN


def test_what_has_been_open_for_long_is_listed(
    leases: Leases, standing: Standing, clock: Clock
) -> None:
    old = leases.lease(ask())
    clock.now += 100
    leases.lease(ask(station="EOL-02"))
    told(leases, end(leases.lease(ask(OTHER))))
    clock.now += 50
    assert standing.held(60) == []
    (held,) = standing.held(10)
    assert (held.uid, held.aid, held.fesn, held.age_s) == (UID, AID, old.fesn, 50)
    assert sorted(held.stations.split(",")) == ["EOL-01", "EOL-02"]
    assert not held.touched


def test_content_without_a_lease_is_listed_too(
    leases: Leases, standing: Standing, clock: Clock
) -> None:
    told(leases, end(leases.lease(ask()), "abort", "partial"))
    clock.now += 100
    (held,) = standing.held(10)
    assert (held.stations, held.touched) == ("", True)


def test_a_released_unit_is_free_or_done(leases: Leases, standing: Standing, clock: Clock) -> None:
    grant, other = leases.lease(ask()), leases.lease(ask(OTHER))
    clock.now += 10
    assert standing.release(UID, AID, becomes="free", reason="never written") == grant.fesn
    assert standing.release(OTHER, AID, becomes="quarantined", reason="lost") == other.fesn
    assert standing.counts(PROFILE) == PoolAnswer(PROFILE, 4, 0, 0, 1)
    assert told(leases, end(grant), end(other)) == ["lease-ended"] * 2


def test_touched_does_not_follow_content_that_was_released_as_free(
    leases: Leases, standing: Standing, clock: Clock
) -> None:
    grant = leases.lease(ask())
    told(leases, end(grant, "abort", "unknown"))
    clock.now += 10
    standing.release(UID, AID, becomes="free", reason="the fob was never written")
    for number in range(5):
        other = leases.lease(ask(f"0400000{number}"))
        assert told(leases, end(other, "abort", "none")) == ["free"]


def test_what_a_station_may_still_use_is_not_released(leases: Leases, standing: Standing) -> None:
    leases.lease(ask())
    with pytest.raises(SourceError, match="has not expired yet"):
        standing.release(UID, AID, becomes="free", reason="hasty")


def test_what_is_not_open_is_not_released(leases: Leases, standing: Standing) -> None:
    told(leases, end(leases.lease(ask())))
    with pytest.raises(SourceError, match=f"unit {UID} with AID {AID} has no open content"):
        standing.release(UID, AID, becomes="free", reason="done already")
