"""How the pool stands: its figures, what has been open for long, and its release by a person."""

import time
from collections.abc import Callable
from typing import Literal

import msgspec

from kfasync.contracts.klms import PoolAnswer
from kfasync.contracts.klms_problems import Problem
from kfasync.errors import SourceError
from kfasync.klms.leases import settle
from kfasync.klms.refusal import ProblemError
from kfasync.klms.store import Store


class Held(msgspec.Struct, frozen=True):
    """Content that is bound to a unit and has no end yet."""

    uid: str
    aid: str
    profile: str
    fesn: str
    stations: str  # those with a lease that has not ended, separated by commas; "" when none has
    touched: bool
    age_s: float  # since the last lease was given


class Standing:
    """Reads the pool, and lets an administrator release what no station will end."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    def profiles(self) -> tuple[str, ...]:
        """Names of the profiles, sorted."""
        with self._store.reading() as db:
            rows = db.execute("SELECT name FROM profile ORDER BY name").fetchall()
        return tuple(row["name"] for row in rows)

    def counts(self, profile: str) -> PoolAnswer:
        """How much content of a profile is in each state.

        Raises:
            ProblemError: there is no such profile.
        """
        # One statement, so that the figures are of one moment.
        with self._store.reading() as db:
            rows = db.execute(
                "SELECT state, count(content.number) AS count FROM profile LEFT JOIN content"
                " ON content.profile = profile.name WHERE profile.name = ? GROUP BY state",
                (profile,),
            ).fetchall()
        if not rows:
            raise ProblemError(Problem.PROFILE_UNKNOWN)
        count = {row["state"]: row["count"] for row in rows}
        states = ("free", "leased", "consumed", "quarantined")
        return PoolAnswer(profile, *(count.get(state, 0) for state in states))

    def repeats(self) -> int:
        """How many ends were told once more than needed; each was applied once."""
        with self._store.reading() as db:
            (count,) = db.execute("SELECT ifnull(sum(repeats), 0) FROM lease").fetchone()
        return int(count)

    def held(self, longer_than_s: float) -> list[Held]:
        """What has been bound for longer than that without an end, the oldest first."""
        now = self._clock()
        with self._store.reading() as db:
            rows = db.execute(
                "SELECT content.uid, content.aid, content.profile, fesn, touched,"
                " ifnull(group_concat(DISTINCT iif(ended IS NULL, station, NULL)), '') AS stations,"
                " max(opened_s) AS last_s FROM content JOIN lease ON lease.content = content.number"
                " WHERE state = 'leased' AND lease.uid = content.uid AND lease.aid = content.aid"
                " GROUP BY content.number HAVING max(opened_s) < ? ORDER BY last_s",
                (now - longer_than_s,),
            ).fetchall()
        return [
            Held(
                row["uid"],
                row["aid"],
                row["profile"],
                row["fesn"],
                row["stations"],
                bool(row["touched"]),
                now - row["last_s"],
            )
            for row in rows
        ]

    def release(
        self, uid: str, aid: str, *, becomes: Literal["free", "quarantined"], reason: str
    ) -> str:
        """End every lease of a unit and say what its content is; the FESN.

        Raises:
            SourceError: the unit has no content that waits for an end, or a lease still to be used.
        """
        with self._store.transaction() as db:
            content = db.execute(
                "SELECT * FROM content WHERE uid = ? AND aid = ? AND state = 'leased'", (uid, aid)
            ).fetchone()
            if content is None:
                raise SourceError(f"unit {uid} with AID {aid} has no open content")
            (usable,) = db.execute(
                "SELECT count(*) FROM lease WHERE content = ? AND ended IS NULL AND expires_s > ?",
                (content["number"], self._clock()),
            ).fetchone()
            if usable:
                raise SourceError(
                    f"unit {uid} has a lease that has not expired yet; try again later"
                )
            db.execute(
                "UPDATE lease SET ended = 'release', word = ?, answer = ?"
                " WHERE content = ? AND ended IS NULL",
                (becomes, becomes, content["number"]),
            )
            settle(db, content["number"], becomes)
            db.execute(
                "INSERT INTO release VALUES (?, ?, ?, ?, ?, ?)",
                (self._clock(), uid, aid, content["fesn"], becomes, reason),
            )
        fesn: str = content["fesn"]
        return fesn
