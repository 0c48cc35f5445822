"""Who has which content, and what became of it: the rules of docs/klms.md that need a memory.

    free -> leased (bound to one unit) -> consumed | quarantined

Each call is one transaction that is on the disk when it returns. A lease runs out without a trace
in the content; content is free again only when every lease of its unit has ended with ``none``.
"""

import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from kfasync.contracts.klms import End, State
from kfasync.contracts.klms_problems import Problem
from kfasync.klms.refusal import ProblemError
from kfasync.klms.store import Store


class Ask(msgspec.Struct, frozen=True):
    """Who asks for a lease, and for what."""

    station: str
    key: str  # the Idempotency-Key
    uid: str
    aid: str
    profile: str
    ttl_s: int


class Grant(msgspec.Struct, frozen=True):
    """A lease, and the row of its content; ``new`` where the key was not known."""

    lease_id: str
    ttl_s: int
    new: bool
    fesn: str
    spid: str
    device_certificate: bytes
    secrets: bytes
    ica: bytes
    cms_root: bytes


class Leases:
    """Gives leases and takes their ends.

    Args:
        clock: seconds since the epoch, because leases outlive the process.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    def lease(self, ask: Ask) -> Grant:
        """The lease of this Idempotency-Key, or a new one.

        Raises:
            ProblemError: there is none for this unit; checked in the order of docs/klms.md.
        """
        with self._store.transaction() as db:
            now = self._clock()
            known = _known(db, ask)
            if known is not None:
                content = _content(db, known["content"])
                _require_unfinished(content)
                left = max(0, int(known["expires_s"] - now))
                return _grant(db, known["id"], left, content, new=False)
            if (
                db.execute("SELECT 1 FROM profile WHERE name = ?", (ask.profile,)).fetchone()
                is None
            ):
                raise ProblemError(Problem.PROFILE_UNKNOWN)
            content = _renewable(db, ask, now) or _claim(db, ask)
            lease_id = str(uuid.uuid4())
            db.execute(
                "INSERT INTO lease (id, content, uid, aid, profile, station, key, opened_s,"
                " expires_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    lease_id,
                    content["number"],
                    *(ask.uid, ask.aid, ask.profile, ask.station, ask.key),
                    *(now, now + ask.ttl_s),
                ),
            )
            return _grant(db, lease_id, ask.ttl_s, content, new=True)

    def end(self, station: str, ends: Sequence[End]) -> list[State | Problem]:
        """Take a batch of ends in one transaction; what became of each, in their order."""
        with self._store.transaction() as db:
            return [_end(db, station, end) for end in ends]


def _known(db: sqlite3.Connection, ask: Ask) -> sqlite3.Row | None:
    """The lease that an Idempotency-Key stands for."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM lease WHERE station = ? AND key = ?", (ask.station, ask.key)
    ).fetchone()
    if row is None:
        return None
    if (row["uid"], row["aid"], row["profile"]) != (ask.uid, ask.aid, ask.profile):
        raise ProblemError(Problem.IDEMPOTENCY_KEY_REUSED)
    if row["ended"] is not None:
        raise ProblemError(Problem.LEASE_ENDED, "the lease of this Idempotency-Key")
    return row


def _renewable(db: sqlite3.Connection, ask: Ask, now: float) -> sqlite3.Row | None:
    """The content that the unit has, with every lease of it expired from now on."""
    content: sqlite3.Row | None = db.execute(
        "SELECT * FROM content WHERE uid = ? AND aid = ?", (ask.uid, ask.aid)
    ).fetchone()
    if content is None:
        return None
    _require_unfinished(content)
    elsewhere = db.execute(
        "SELECT 1 FROM lease"
        " WHERE content = ? AND ended IS NULL AND station <> ? AND expires_s > ?",
        (content["number"], ask.station, now),
    ).fetchone()
    if elsewhere is not None:
        raise ProblemError(Problem.UNIT_LEASED_ELSEWHERE)
    db.execute(
        "UPDATE lease SET expires_s = min(expires_s, ?) WHERE content = ? AND ended IS NULL",
        (now, content["number"]),
    )
    return content


def _claim(db: sqlite3.Connection, ask: Ask) -> sqlite3.Row:
    """Free content, the unit's from now on."""
    content: sqlite3.Row | None = db.execute(
        "UPDATE content SET state = 'leased', uid = ?, aid = ?, touched = 0 WHERE number ="
        " (SELECT number FROM content WHERE profile = ? AND state = 'free' LIMIT 1) RETURNING *",
        (ask.uid, ask.aid, ask.profile),
    ).fetchone()
    if content is None:
        raise ProblemError(Problem.POOL_EMPTY)
    return content


def _require_unfinished(content: sqlite3.Row) -> None:
    if content["state"] == "consumed":
        raise ProblemError(Problem.UNIT_PROVISIONED)
    if content["state"] == "quarantined":
        raise ProblemError(Problem.UNIT_REJECTED)


def _grant(
    db: sqlite3.Connection, lease_id: str, ttl_s: int, content: sqlite3.Row, *, new: bool
) -> Grant:
    common = db.execute(
        "SELECT ica, cms_root FROM profile WHERE name = ?", (content["profile"],)
    ).fetchone()
    return Grant(
        lease_id,
        ttl_s,
        new,
        content["fesn"],
        content["spid"],
        content["device_certificate"],
        content["secrets"],
        common["ica"],
        common["cms_root"],
    )


def _content(db: sqlite3.Connection, number: int) -> sqlite3.Row:
    row: sqlite3.Row = db.execute("SELECT * FROM content WHERE number = ?", (number,)).fetchone()
    return row


def _end(db: sqlite3.Connection, station: str, end: End) -> State | Problem:
    lease = db.execute("SELECT * FROM lease WHERE id = ?", (end.lease_id,)).fetchone()
    if lease is None:
        return Problem.LEASE_UNKNOWN
    if lease["station"] != station:
        return Problem.LEASE_OF_ANOTHER_STATION
    word = end.outcome if end.end == "commit" else end.touched
    if lease["ended"] is not None:
        if (lease["ended"], lease["word"]) != (end.end, word):
            return Problem.LEASE_ENDED
        # A station may tell of an end twice; it is applied once, and counted.
        db.execute("UPDATE lease SET repeats = repeats + 1 WHERE number = ?", (lease["number"],))
        return cast(State, lease["answer"])
    content = _content(db, lease["content"])
    if content["state"] != "leased":
        becomes = content["state"]  # another lease of the unit has decided
    elif end.end == "commit":
        becomes = "consumed" if end.outcome == "pass" else "quarantined"
    else:
        touched = content["touched"] or end.touched != "none"
        others = db.execute(
            "SELECT 1 FROM lease WHERE content = ? AND ended IS NULL AND number <> ?",
            (lease["content"], lease["number"]),
        ).fetchone()
        becomes = "bound" if touched or others is not None else "free"
        db.execute(
            "UPDATE content SET touched = ? WHERE number = ?", (int(touched), lease["content"])
        )
    db.execute(
        "UPDATE lease SET ended = ?, word = ?, record_hash = ?, answer = ? WHERE number = ?",
        (end.end, word, end.record_hash, becomes, lease["number"]),
    )
    settle(db, lease["content"], becomes)
    return cast(State, becomes)


def settle(db: sqlite3.Connection, number: int, becomes: str) -> None:
    """Put content into the state that its last end gives it; what is final needs no secrets."""
    if becomes == "free":
        db.execute(
            "UPDATE content SET state = 'free', uid = NULL, aid = NULL WHERE number = ?", (number,)
        )
    elif becomes in ("consumed", "quarantined"):
        db.execute(
            "UPDATE content SET state = ?, secrets = x'' WHERE number = ?", (becomes, number)
        )
