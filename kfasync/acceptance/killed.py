"""Check of what a killed process leaves behind: its lease, and to nobody else."""

import hashlib

import msgspec

from kfasync.acceptance.check import check
from kfasync.acceptance.life import others
from kfasync.acceptance.subject import PASS, Content, require
from kfasync.acceptance.trial import Trial


class _Testimony(msgspec.Struct, frozen=True):
    """What a process knew of its lease before it was killed; no secret is told."""

    lease_id: bytes
    fesn: bytes
    fingerprint: str


def _fingerprint(lease: Content) -> str:
    # Over 32 random bytes at least, so that nobody finds them by trying.
    return hashlib.sha256(lease.items + lease.secrets).hexdigest()


def lease_and_be_killed(trial: Trial) -> str:
    """First act: the process that holds this lease will not live to end it."""
    lease = trial.open().lease(trial.unit())
    told = _Testimony(lease.lease_id, lease.fesn, _fingerprint(lease))
    return msgspec.json.encode(told).decode()


def survive_the_killed(trial: Trial) -> None:
    """Second act, in a new process: the unit gets its content again, and nobody else does."""
    before = msgspec.json.decode(trial.testimony, type=_Testimony)
    session = trial.open()
    unit = trial.unit()
    for other in others(session, trial):
        require(other.fesn != before.fesn, "another unit gets what a killed process had leased")
    again = _fingerprint(session.lease(unit))
    require(again == before.fingerprint, "the unit of a killed process gets other content")
    # The host knows the lease by the name that it was told then.
    session.commit(before.lease_id, PASS)
    session.close()


CHECKS = (
    check(
        "killed-between-lease-and-commit",
        "power fails at the worst moment",
        lease_and_be_killed,
        survive_the_killed,
        contents=3,
    ),
)
