"""Checks of the life of content: to one unit, never to another, whatever happens."""

import threading
from collections.abc import Sequence

from kfasync.acceptance.check import check
from kfasync.acceptance.subject import (
    FAIL,
    NONE,
    PARTIAL,
    PASS,
    UNKNOWN,
    Content,
    Finding,
    Form,
    Session,
    Subject,
    require,
    require_result,
    unit_struct,
)
from kfasync.acceptance.trial import Trial
from kfasync.model import Unit
from kfasync.sources.provider.abi import AbortPolicy, Result, Threading

THREADS, UNITS_OF_A_THREAD = 4, 3
OTHERS = 2  # units that are tried to be given what is another's


def same_unit_same_content(trial: Trial) -> None:
    """Asked again for a unit, in this context or a later one, it gives the same to the byte."""
    session = trial.open()
    unit = trial.unit()
    first = session.lease(unit)
    require(session.lease(unit).issued == first.issued, "a second lease holds other content")
    session.close()
    session = trial.open()
    again = session.lease(unit)
    require(again.issued == first.issued, "a lease after close and open holds other content")
    session.abort(again.lease_id, NONE)
    session.close()


def contexts_share_one_pool(trial: Trial) -> None:
    """A lease of one context is known to another: which of them a call comes by is chance."""
    subject = trial.load()
    one, other = (subject.open(trial.config) for _ in range(2))
    unit = trial.unit()
    first = one.lease(unit)
    require(other.lease(unit).fesn == first.fesn, "another context has other content")
    leases = [first, other.lease(trial.unit()), one.lease(trial.unit())]
    require_distinct(leases)
    other.commit(leases[2].lease_id, PASS)
    for lease in leases[:2]:
        one.abort(lease.lease_id, NONE)
    one.close()
    other.close()


def different_units_different_content(trial: Trial) -> None:
    """Units are told apart by all bytes of their UID, whichever of the three lengths it has."""
    session = trial.open()
    start = trial.unit().uid
    uids = [start, start[:-1] + bytes([start[-1] ^ 1]), start[:4], start + bytes(3)]
    leases = [session.lease(trial.unit(uid)) for uid in uids]
    require_distinct(leases)
    for lease in leases:
        session.abort(lease.lease_id, NONE)
    session.close()


def require_distinct(leases: Sequence[Content]) -> None:
    """No two of the leases, which are of different units, hold the same content."""
    for what, values in (
        ("FESN", {lease.fesn for lease in leases}),
        ("SPID", {lease.spid for lease in leases}),
        ("key block", {lease.secrets for lease in leases}),
        ("lease id", {lease.lease_id for lease in leases}),
    ):
        require(len(values) == len(leases), f"two units get the same {what}")


def abort_policy_as_declared(trial: Trial) -> None:
    """An abort with KFP_TOUCHED_NONE does what abort_policy says, as the pool counts it."""
    session = trial.open()
    policy = session.table.abort_policy
    unit = trial.unit()
    before = session.counts()
    lease = session.lease(unit)
    leased = session.counts()
    session.abort(lease.lease_id, NONE)
    after = session.counts()
    if policy == AbortPolicy.FREES:
        require(after == before, "KFP_ABORT_FREES, and yet the pool lacks the aborted content")
    else:
        require(after == leased, "KFP_ABORT_BINDS, and yet the pool has the content back")
        _require_kept(session, trial, unit, lease)
    session.close()


def touched_content_stays_bound(trial: Trial) -> None:
    """What may have gone to a card goes to no other, even when it is aborted once more."""
    session = trial.open()
    for touched in (PARTIAL, UNKNOWN):
        unit = trial.unit()
        lease = session.lease(unit)
        session.abort(lease.lease_id, touched)
        _require_kept(session, trial, unit, lease)
        session.abort(session.lease(unit).lease_id, NONE)
        _require_kept(session, trial, unit, lease)
    session.close()


def _require_kept(session: Session, trial: Trial, unit: Unit, lease: Content) -> None:
    """Others do not get this content, and then the unit itself does."""
    for other in others(session, trial):
        require(other.fesn != lease.fesn, "another unit gets content that is bound")
    require(session.lease(unit).issued == lease.issued, "a unit does not get its bound content")


def others(session: Session, trial: Trial) -> list[Content]:
    """Leases of units that have nothing to do with it, given back at once."""
    leases = [session.lease(trial.unit()) for _ in range(OTHERS)]
    for lease in leases:
        session.abort(lease.lease_id, NONE)
    return leases


def ends_may_be_told_twice(trial: Trial) -> None:
    """A host that was killed before it noted the answer tells an end again."""
    session = trial.open()
    for outcome in (PASS, FAIL):
        lease = session.lease(trial.unit())
        session.commit(lease.lease_id, outcome)
        session.require_ok(session.call_commit(lease.lease_id, outcome), "a second commit")
    for touched in (NONE, PARTIAL, UNKNOWN):
        lease = session.lease(trial.unit())
        session.abort(lease.lease_id, touched)
        session.require_ok(session.call_abort(lease.lease_id, touched), "a second abort")
    session.close()


def outcome_is_final(trial: Trial) -> None:
    """After commit the unit gets nothing more, and nobody else gets what it had."""
    session = trial.open()
    for outcome, name in ((PASS, "pass"), (FAIL, "fail")):
        unit = trial.unit()
        lease = session.lease(unit)
        session.commit(lease.lease_id, outcome)
        result = session.call_lease(unit_struct(unit), Form())
        require_result(result, Result.UNIT, f"lease for a unit whose outcome is {name}")
        for other in others(session, trial):
            require(other.fesn != lease.fesn, f"content of a unit with outcome {name} is reissued")
        result = session.call_commit(lease.lease_id, PASS + FAIL - outcome)
        require(result != Result.OK, "an outcome is replaced by the opposite one")
    session.close()


def unknown_lease_refused(trial: Trial) -> None:
    """An end of a lease that never was is no end."""
    session = trial.open()
    lease = session.lease(trial.unit())
    for lease_id in (b"", b"no-such-lease", lease.lease_id + b"~", b"%s%n" * 15, b"x" * 500):
        require_result(session.call_commit(lease_id, PASS), Result.LEASE, "commit of no lease")
        require_result(session.call_abort(lease_id, NONE), Result.LEASE, "abort of no lease")
    session.abort(lease.lease_id, NONE)
    session.close()


def threads_without_duplicates(trial: Trial) -> None:
    """As many threads as the declared threading allows, and no content goes out twice."""
    subject = trial.load()
    allowed = subject.table().threading
    shared = subject.open(trial.config)
    units = [[trial.unit() for _ in range(UNITS_OF_A_THREAD)] for _ in range(THREADS)]
    one_at_a_time = threading.Lock()
    leases: list[Content] = []
    findings: list[Finding] = []

    def lane(units: Sequence[Unit]) -> None:
        try:
            if allowed == Threading.SERIAL:
                for unit in units:
                    with one_at_a_time:
                        leases.append(shared.lease(unit))
            elif allowed == Threading.PER_SESSION:
                leases.extend(_in_own_session(subject, trial, units))
            else:
                leases.extend(shared.lease(unit) for unit in units)
        except Finding as finding:
            findings.append(finding)

    threads = [threading.Thread(target=lane, args=(own,)) for own in units]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for finding in findings:
        raise finding
    require_distinct(leases)
    for lease in leases:
        shared.abort(lease.lease_id, NONE)
    shared.close()


def _in_own_session(subject: Subject, trial: Trial, units: Sequence[Unit]) -> list[Content]:
    session = subject.open(trial.config)
    leases = [session.lease(unit) for unit in units]
    session.close()
    return leases


def pool_counts_move(trial: Trial) -> None:
    """Where content is counted, each step of its life moves one from state to state."""
    session = trial.open()
    before = session.counts()
    if before is None:
        return
    for outcome, at in ((PASS, 2), (FAIL, 3)):
        free, leased = session.counts() or before, session.lease(trial.unit())
        now = session.counts() or before
        require(
            now == (free[0] - 1, free[1] + 1, free[2], free[3]),
            "a lease does not move one content from free to leased",
        )
        session.commit(leased.lease_id, outcome)
        moved = [now[0], now[1] - 1, now[2], now[3]]
        moved[at] += 1
        require(session.counts() == tuple(moved), "a commit does not move one content")
    session.close()


CHECKS = (
    check(
        "same-unit-same-content",
        "a fob that is placed again goes on with its own",
        same_unit_same_content,
        contents=1,
    ),
    check(
        "contexts-share-one-pool",
        "a lane that ends a lease need not have the context that made it",
        contexts_share_one_pool,
        contents=3,
    ),
    check(
        "different-units-different-content",
        "two fobs with one identity open one car",
        different_units_different_content,
        contents=4,
    ),
    check(
        "abort-policy-as-declared",
        "content that is not given back runs out",
        abort_policy_as_declared,
        contents=3,
    ),
    check(
        "touched-content-stays-bound",
        "a torn fob may hold what another would get",
        touched_content_stays_bound,
        contents=10,
    ),
    check(
        "ends-may-be-told-twice",
        "an answer can be lost after it was acted upon",
        ends_may_be_told_twice,
        contents=5,
    ),
    check(
        "outcome-is-final", "content that was written is written once", outcome_is_final, contents=6
    ),
    check(
        "unknown-lease-refused",
        "an end that is lost must not look like one that was kept",
        unknown_lease_refused,
        contents=1,
    ),
    check(
        "threads-without-duplicates",
        "a station has several lanes",
        threads_without_duplicates,
        contents=THREADS * UNITS_OF_A_THREAD,
    ),
    check(
        "pool-counts-move",
        "a pool that is said to be full runs empty unnoticed",
        pool_counts_move,
        contents=2,
    ),
)
