"""The ledger: which content belongs to which unit, and what became of both.

    FREE -> RESERVED -> BURNED -> CONSUMED | QUARANTINED

One station at a time holds a ledger, by a lock of the operating system that dies with the
process; so at the start every RESERVED is left over and free again, and every BURNED is
somebody's half-written fob. What matters is on disk when a call returns: BURNED, LAST_SENT and
the end of an attempt. A claim is not, for it is worth nothing without the BURNED that follows
it, and that carries it along.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

from kfasync.contracts.sources import End, EndKind
from kfasync.errors import LedgerError, SourceError
from kfasync.ledger import attempts, schema, statements
from kfasync.ledger.about import About
from kfasync.ledger.attempts import Begun, Ending, Interrupted, Unfinished
from kfasync.ledger.issue import identify, issued_twice, taken_over
from kfasync.ledger.latency import Commits
from kfasync.ledger.lock import StationLock
from kfasync.ledger.outbox import Outbox, post
from kfasync.ledger.shelf import Shelf
from kfasync.ledger.sqlite import Session, Store
from kfasync.ledger.values import now, of_lease, of_unit
from kfasync.model import (
    Content,
    ContentState,
    Fingerprint,
    Lease,
    Mark,
    Outcome,
    SessionFacts,
    Standing,
    Touched,
    Unit,
)

FILE_NAME = "ledger.sqlite3"
PAGE = 500  # records read at a time: a few MB, however long the history


class StoredRecord(msgspec.Struct, frozen=True):
    """A record as the ledger keeps it; ``number`` grows with every record."""

    number: int
    text: str


class Ledger(Shelf, About):
    """The ledger of one station; thread-safe. What it is as a pool is in :class:`Shelf`.

    Attributes:
        outbox: what the source of the content has still to hear.
    """

    def __init__(self, store: Store, lock: StationLock) -> None:
        self._store = store
        self._lock = lock
        self.outbox = Outbox(store)

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open the ledger of a data directory, making both where they are not there.

        Raises:
            LedgerError: another station holds it, or it cannot be read or written.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(
                f"data directory {directory} cannot be made ({error.strerror}); "
                "set data_dir in [station] to a place that can be written"
            ) from error
        lock = StationLock.take(directory)
        try:
            store = Store.open(directory / FILE_NAME)
        except LedgerError:
            lock.release()
            raise
        ledger = cls(store, lock)
        try:
            store.write(lambda session: _prepare(session, directory / FILE_NAME))
        except LedgerError:
            ledger.close()
            raise
        return ledger

    def close(self) -> None:
        """Close the database and let another station have it."""
        self._store.close()
        self._lock.release()

    # ------------------------------------------------------------------ as a register

    def adopt(
        self,
        unit: Unit,
        fence: str,
        content: Content,
        fingerprint: Fingerprint,
        *,
        pool: str = "",
        lease_id: str = "",
    ) -> None:
        """Enter content that a pool elsewhere has leased to this unit; the same renews the lease.

        What was only reserved for the unit is free again when that pool has changed its mind. An
        end of this very lease that was not told yet is not told any more.

        Raises:
            SourceError: it is another unit's, by name or by what it is, or the unit's own is
                burned: the pool has issued it twice. Nothing is changed.
            UnitError: the unit has had its turn.
        """
        self.standing(unit)  # raises when this unit must not have any
        given = {"of_fesn": content.fesn, "of_spid": content.spid, "new_lease_id": fence}
        origin = {"of_source": pool, "of_source_lease": lease_id}
        values = {**of_unit(unit), **given, **origin, "at": now()}
        renewed = {"of_source": pool, "of_uid": unit.uid.hex(), "of_lease_id": lease_id}

        def work(session: Session) -> None:
            session.run(statements.drop_end, renewed)
            session.run(statements.release_others, values)
            try:
                adopted = session.run(statements.adopt, values).fetchone()
            except sqlite3.IntegrityError:
                adopted = None  # the unit has burned another content
            if adopted is None:
                raise issued_twice(unit, content, session.run(statements.holder, values).fetchone())
            reason = identify(session, unit, fence, content, fingerprint)
            if reason is not None:
                raise SourceError(
                    f"{reason}; the source issues twice, and nothing was sent to the fob; have the "
                    "source checked"
                )

        self._store.write(work, durable=False)

    # ------------------------------------------------------------------ one attempt

    def begin(self, begun: Begun) -> Standing:
        """An attempt begins; what earlier ones did to its unit.

        From here on the attempt has a record, even if its process is killed.

        Raises:
            AlreadyProvisionedError, UnitRejectedError: the unit has had its turn.
        """
        unit = begun.unit
        values = {
            "new_id": begun.attempt,
            "new_uid": unit.uid.hex(),
            "new_aid": unit.aid.hex(),
            "new_profile": unit.profile,
            "new_atr": unit.atr.hex(),
            "new_slot": begun.slot,
            "new_reader": begun.reader,
            "new_started": begun.started,
        }

        def work(session: Session) -> tuple[sqlite3.Row | None, str]:
            session.run(statements.start_attempt, values)
            return attempts.look(session, unit)

        return attempts.standing(unit, *self._store.write(work, durable=False, single=True))

    def interrupted(self) -> list[Interrupted]:
        """What has begun and not ended, oldest first; asked for before a lane begins.

        Each has to be ended, by :meth:`finish`: FREE for content that is reserved.
        """
        rows = self._store.read(lambda session: session.run(statements.interrupted).fetchall())
        return [attempts.interrupted(row) for row in rows]

    def mark(self, lease: Lease, mark: Mark, facts: SessionFacts | None = None) -> None:
        """Write down what is about to happen to the card; durable when this returns.

        ``facts`` are those of the session, which a later one is compared with.

        Raises:
            LeaseExpiredError: the content is no longer this lease's.
        """
        values: dict[str, str | int | None] = {
            **of_lease(lease),
            "at": now(),
            "sent": int(mark is Mark.LAST_SENT),
            "new_counter": facts.sequence_counter if facts else None,
            "new_diversification_data": facts.key_diversification_data.hex() if facts else None,
            "new_atr": lease.unit.atr.hex(),
        }
        changed = self._store.write(
            lambda session: session.run(_MARKS[mark], values).rowcount, single=True
        )
        if not changed:
            raise taken_over(lease.content)

    def finish(self, ending: Ending) -> None:
        """Outcome, record, and what the source is to be told, in one transaction.

        Raises:
            LedgerError: the content cannot come into that state; nothing is written.
        """
        self._store.write(lambda session: attempts.finish(session, ending))

    def resolve(
        self, unfinished: Unfinished, attempt: str, record: str, *, recoverable: bool
    ) -> None:
        """A person's word on a fob whose end nobody knows, with its record.

        ``recoverable``: nobody else has personalized it, and the next placing may finish it.
        Otherwise it has failed for good, and its content is in quarantine. The source hears of
        that unless it has heard already how this lease ended: then it keeps the content bound to
        the fob, and no other one gets it.

        Raises:
            LedgerError: it is not unfinished any more.
        """
        values = {
            "of_fesn": unfinished.content.fesn,
            "by_attempt": attempt,
            "at": now(),
        }
        statement = statements.resolve_recoverable if recoverable else statements.resolve_failed

        def work(session: Session) -> None:
            attempts.add_decision(session, attempt, "resolved", record, unfinished)
            if session.run(statement, values).rowcount != 1:
                raise LedgerError(f"fob {unfinished.uid} is not in doubt")
            if not recoverable and unfinished.source and attempts.withdraw_end(session, unfinished):
                post(session, unfinished.source, _used_up(unfinished, record), now())

        self._store.write(work)

    def note(self, attempt: str, disposition: str, record: str) -> None:
        """A person's decision that changes no content, with its record."""
        self._store.write(
            lambda session: attempts.add_decision(session, attempt, disposition, record)
        )

    # ------------------------------------------------------------------ looking back

    def unfinished(self) -> list[Unfinished]:
        """Units with burned content and no outcome, oldest first."""
        rows = self._store.read(lambda session: session.run(statements.burned).fetchall())
        return [
            Unfinished(
                uid=row["uid"].upper(),
                content=Content(row["fesn"], row["spid"]),
                last_sent=bool(row["last_sent"]),
                profile=row["profile"],
                since=row["changed_at"],
                recoverable=bool(row["recoverable"]),
                source=row["source"] or "",
                lease_id=row["source_lease"] or "",
            )
            for row in rows
        ]

    def commits(self) -> Commits:
        """How long writers have waited until it was on disk, since this was opened."""
        return self._store.latency.commits()

    def counts(self) -> dict[ContentState, int]:
        """How much content is in each state."""
        rows = self._store.read(lambda session: session.run(statements.counts).fetchall())
        found = {row["state"]: row["pieces"] for row in rows}
        return {state: found.get(state.value, 0) for state in ContentState}

    def record_number(self, attempt: str) -> int | None:
        """The number of the record of that attempt; None when it is not here."""
        values = {"of_attempt": attempt}
        row = self._store.read(lambda session: session.run(statements.record_of, values).fetchone())
        return None if row is None else int(row["id"])

    def last_record(self) -> int:
        """The number of the newest record; 0 when there is none."""
        return int(
            self._store.read(lambda session: session.run(statements.last_record).fetchone())[0]
        )

    def records_after(self, number: int) -> Iterator[StoredRecord]:
        """Every record with a higher number, in order; 0 begins at the first.

        Read in pages, so that neither the lock is held nor memory filled by a long history.
        """
        while True:
            values = {"last": number, "most": PAGE}
            rows = self._read_page(values)
            for row in rows:
                number = row["id"]
                yield StoredRecord(number, row["json"])
            if len(rows) < PAGE:
                return

    def _read_page(self, values: dict[str, int]) -> list[sqlite3.Row]:
        return self._store.read(
            lambda session: session.run(statements.records_after, values).fetchall()
        )


_MARKS = {
    Mark.BURNED: statements.burn,
    Mark.LAST_SENT: statements.send_last,
    Mark.STILL_OPEN: statements.send_last,
    Mark.BEGUN: statements.begin,
    Mark.AUTHENTICATED: statements.authenticate,
}


def _used_up(unfinished: Unfinished, record: str) -> End:
    """What the source hears of content that a person has given up."""
    return End(
        uid=bytes.fromhex(unfinished.uid),
        lease_id=unfinished.lease_id,
        kind=EndKind.COMMIT,
        outcome=Outcome.FAIL,
        touched=Touched.UNKNOWN if unfinished.last_sent else Touched.PARTIAL,
        record_sha256=hashlib.sha256(record.encode()).hexdigest(),
    )


def _prepare(session: Session, path: Path) -> None:
    version = session.plain("PRAGMA user_version").fetchone()[0]
    if version == 0:
        schema.create(session)
    elif version <= schema.SCHEMA_VERSION:
        schema.migrate(session, version)
    else:
        raise LedgerError(
            f"{path} was written by a later version of kfasync (schema {version}); "
            "use that version, or another data_dir"
        )
    session.plain(f"PRAGMA user_version = {schema.SCHEMA_VERSION}")
    session.run(statements.release_all, {"at": now()})
