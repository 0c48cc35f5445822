"""The ledger: which content belongs to which unit, and what became of both.

    FREE -> RESERVED -> BURNED -> CONSUMED | QUARANTINED

A SQLite file in WAL mode with ``synchronous=FULL``: when a call returns, it is on disk.
Every change is one transaction begun with BEGIN IMMEDIATE, and a claim is one statement:
read first and write after, and two lanes are given the same content. One station at a time
holds a ledger, by a lock of the operating system that dies with the process; so at the start
every RESERVED is left over and free again, and every BURNED is somebody's half-written fob.
"""

import datetime
import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from kfasync.errors import (
    AlreadyProvisionedError,
    LeaseExpiredError,
    LedgerError,
    SourceError,
    UnitRejectedError,
)
from kfasync.ledger import schema
from kfasync.ledger.lock import StationLock
from kfasync.ledger.schema import SCHEMA_VERSION, content, metadata
from kfasync.model import Content, ContentState, Disposition, Lease, Mark, Standing, Touched, Unit

FILE_NAME = "ledger.sqlite3"

# How content comes into a state in which an attempt leaves it, and the journal's word for it.
_SETTLING = {
    ContentState.FREE: (schema.free, "released"),
    ContentState.CONSUMED: (schema.consume, "consumed"),
    ContentState.QUARANTINED: (schema.quarantine, "quarantined"),
}


class Unfinished(msgspec.Struct, frozen=True):
    """A unit whose content is burned and whose outcome nobody knows: place it again."""

    uid: str
    content: Content
    last_sent: bool


class Ledger:
    """The ledger of one station; thread-safe."""

    def __init__(self, engine: sa.Engine, lock: StationLock) -> None:
        self._engine = engine
        self._lock = lock

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
        engine = sa.create_engine(f"sqlite:///{directory / FILE_NAME}")
        sa.event.listen(engine, "connect", _configure)
        sa.event.listen(engine, "begin", _begin)
        ledger = cls(engine, lock)
        try:
            ledger._prepare(directory / FILE_NAME)
        except LedgerError:
            ledger.close()
            raise
        return ledger

    def close(self) -> None:
        """Close the database and let another station have it."""
        self._engine.dispose()
        self._lock.release()

    # ------------------------------------------------------------------ as a pool

    def offer(self, contents: Iterable[Content]) -> None:
        """These are to be had now; what was free and is not among them no longer is.

        Raises:
            LedgerError: one of them was issued before under another SPID.
        """
        offered = {offer.fesn: offer.spid for offer in contents}
        with self._transaction() as connection:
            connection.execute(sa.delete(content).where(content.c.state == ContentState.FREE.value))
            issued = connection.execute(sa.select(content.c.fesn, content.c.spid)).all()
            for fesn, spid in issued:
                other = offered.pop(fesn, spid)
                if other != spid:
                    raise LedgerError(
                        f"container {fesn}-{other}: FESN {fesn} has been issued with another "
                        "SPID; remove the directory, a serial number is used once"
                    )
            free = {"state": ContentState.FREE.value, "changed_at": _now()}
            rows = [{"fesn": fesn, "spid": spid, **free} for fesn, spid in offered.items()]
            if rows:
                connection.execute(sa.insert(content), rows)

    def claim(self, unit: Unit) -> tuple[str, Content] | None:
        """Lease id and content: the unit's own where it has some, else free content, else None.

        Raises:
            UnitError: the unit has had its turn.
        """
        lease_id = uuid.uuid4().hex
        values = {**_of(unit), "new_lease_id": lease_id, "at": _now()}
        with self._transaction() as connection:
            try:
                row = connection.execute(schema.claim, values).one_or_none()
            except IntegrityError:
                row = None  # the unit has had its content, and the database knows
            if row is not None:
                _note(connection, row.fesn, unit.uid.hex(), "reserved", lease_id)
        if row is None:
            self.standing(unit)  # raises when this unit must not have any
            return None
        return lease_id, Content(row.fesn, row.spid)

    # ------------------------------------------------------------------ as a register

    def adopt(self, unit: Unit, lease_id: str, content: Content) -> None:
        """Enter content that a pool elsewhere has leased to this unit; the same renews the lease.

        What was only reserved for the unit is free again when that pool has changed its mind.

        Raises:
            SourceError: it is another unit's, or the unit's own is burned: somebody issues
                twice. Nothing is changed.
            UnitError: the unit has had its turn.
        """
        self.standing(unit)  # raises when this unit must not have any
        given = {"of_fesn": content.fesn, "of_spid": content.spid, "new_lease_id": lease_id}
        values = {**_of(unit), **given, "at": _now()}
        with self._transaction() as connection:
            for row in connection.execute(schema.reserved_beside, values).all():
                _note(connection, row.fesn, row.uid, "released", row.lease_id)
            connection.execute(schema.free_reserved_beside, values)
            try:
                adopted = connection.execute(schema.adopt, values).one_or_none()
            except IntegrityError:
                adopted = None  # the unit has burned another content
            if adopted is None:
                holder = connection.execute(schema.holder, values).one_or_none()
                raise _issued_twice(unit, content, holder)
            _note(connection, content.fesn, unit.uid.hex(), "adopted", lease_id)

    # ------------------------------------------------------------------ one attempt

    def standing(self, unit: Unit) -> Standing:
        """What earlier attempts did to this unit.

        Raises:
            AlreadyProvisionedError, UnitRejectedError: it has had its turn.
        """
        with self._transaction() as connection:
            row = connection.execute(schema.standing, _of(unit)).one_or_none()
            if row is None or row.state == ContentState.RESERVED.value:
                return Standing()
            if row.state == ContentState.BURNED.value:
                return Standing(Touched.UNKNOWN if row.last_sent else Touched.PARTIAL)
            record = connection.execute(schema.record_of, {"of_attempt": row.attempt}).one()
        final = json.loads(record.json)
        uid = unit.uid.hex().upper()
        when = f"{final['finished']} as {row.fesn} (record {row.attempt})"
        if row.state == ContentState.CONSUMED.value:
            raise AlreadyProvisionedError(f"fob {uid} was provisioned already on {when}")
        raise UnitRejectedError(
            f"fob {uid} failed for good on {when}: {final['message']}; put it aside"
        )

    def mark(self, lease: Lease, mark: Mark) -> None:
        """Write down what is about to happen to the card; durable when this returns.

        Raises:
            LeaseExpiredError: the content is no longer this lease's.
        """
        statement = schema.burn if mark is Mark.BURNED else schema.send_last
        values = {**_of(lease), "at": _now()}
        if mark is not Mark.BURNED:
            values["sent"] = int(mark is Mark.LAST_SENT)
        with self._transaction() as connection:
            if connection.execute(statement, values).rowcount != 1:
                raise LeaseExpiredError(
                    f"container {lease.content.fesn} is no longer leased to this attempt; "
                    "place the fob again"
                )
            _note(connection, lease.content.fesn, values["of_uid"], mark.value, lease.lease_id)

    def finish(
        self,
        attempt: str,
        text: str,
        *,
        disposition: Disposition,
        unit: Unit | None,
        lease: Lease | None,
        state: ContentState | None,
    ) -> None:
        """Outcome and record of one attempt, in one transaction.

        ``state`` is what becomes of the leased content; None or BURNED leave it as it is.
        FREE without a lease is for content that was claimed for the unit and came no further.

        Raises:
            LedgerError: the content cannot come into that state; nothing is written.
        """
        with self._transaction() as connection:
            connection.execute(
                schema.add_record,
                {
                    "attempt": attempt,
                    "uid": unit.uid.hex() if unit else None,
                    "profile": unit.profile if unit else None,
                    "disposition": disposition.value,
                    "json": text,
                },
            )
            if lease is not None and state in _SETTLING:
                _settle(connection, attempt, lease, state)
            if lease is None and unit is not None and state is ContentState.FREE:
                for row in connection.execute(schema.reserved_by, _of(unit)).all():
                    _note(connection, row.fesn, row.uid, "released", row.lease_id)
                connection.execute(schema.free_reserved_by, {**_of(unit), "at": _now()})

    # ------------------------------------------------------------------ looking back

    def unfinished(self) -> list[Unfinished]:
        """Units with burned content and no outcome, oldest first."""
        with self._transaction() as connection:
            rows = connection.execute(
                sa.select(content)
                .where(content.c.state == ContentState.BURNED.value)
                .order_by(content.c.changed_at)
            ).all()
        return [
            Unfinished(row.uid.upper(), Content(row.fesn, row.spid), bool(row.last_sent))
            for row in rows
        ]

    def counts(self) -> dict[ContentState, int]:
        """How much content is in each state."""
        with self._transaction() as connection:
            rows = connection.execute(
                sa.select(content.c.state, sa.func.count()).group_by(content.c.state)
            ).all()
        found = {row[0]: row[1] for row in rows}
        return {state: found.get(state.value, 0) for state in ContentState}

    def records_after(self, attempt: str | None) -> Iterator[str]:
        """The records written after that one, in order; all of them after None.

        Raises:
            LedgerError: there is no such record here.
        """
        with self._transaction() as connection:
            last = 0
            if attempt is not None:
                row = connection.execute(schema.record_of, {"of_attempt": attempt}).one_or_none()
                if row is None:
                    raise LedgerError(f"record {attempt} is not in this ledger")
                last = row.id
            yield from connection.execute(schema.records_after, {"last": last}).scalars()

    # ------------------------------------------------------------------ inside

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise LedgerError(
                f"the ledger {self._engine.url.database} cannot be used: "
                f"{getattr(error, 'orig', None) or error}"
            ) from error

    def _prepare(self, path: Path) -> None:
        with self._transaction() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version not in (0, SCHEMA_VERSION):
                raise LedgerError(
                    f"{path} was written by another version of kfasync (schema {version}); "
                    "use that version, or another data_dir"
                )
            metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
            for row in connection.execute(schema.reserved).all():
                _note(connection, row.fesn, row.uid, "released", row.lease_id)
            connection.execute(schema.free_reserved, {"at": _now()})


def _settle(connection: sa.Connection, attempt: str, lease: Lease, state: ContentState) -> None:
    statement, event = _SETTLING[state]
    values = {**_of(lease), "at": _now()}
    if state is not ContentState.FREE:
        values["by_attempt"] = attempt
    changed = connection.execute(statement, values).rowcount
    if not changed and state is ContentState.FREE:
        return  # the lease ran out, and the content is somebody else's by now
    if not changed:
        raise LedgerError(
            f"container {lease.content.fesn} cannot become {state.value} for fob "
            f"{lease.unit.uid.hex().upper()}: the ledger has it otherwise; have the ledger "
            "looked at before the next fob"
        )
    _note(connection, lease.content.fesn, values["of_uid"], event, lease.lease_id)


def _issued_twice(unit: Unit, content: Content, holder: Any) -> SourceError:
    """What to say of content that must not go to this unit; ``holder`` is its row, if any."""
    uid = unit.uid.hex().upper()
    if holder is None or holder.uid is None:
        what = f"fob {uid} was leased container {content.fesn} and has been written with another"
    elif holder.spid != content.spid:
        what = f"FESN {content.fesn} was leased to fob {uid} and has been issued with another SPID"
    else:
        what = (
            f"container {content.fesn} was leased to fob {uid} and is fob "
            f"{holder.uid.upper()}'s ({holder.state})"
        )
    return SourceError(
        f"{what}: the source issues twice, and nothing was sent to the fob; have the source "
        "looked at before the next fob"
    )


def _of(what: Unit | Lease) -> dict[str, Any]:
    """Whose rows a statement is about."""
    if isinstance(what, Unit):
        return {"of_uid": what.uid.hex(), "of_profile": what.profile}
    return {
        "of_fesn": what.content.fesn,
        "of_lease_id": what.lease_id,
        "of_uid": what.unit.uid.hex(),
    }


def _note(connection: sa.Connection, fesn: str, uid: str, event: str, lease_id: str) -> None:
    values = {"at": _now(), "fesn": fesn, "uid": uid, "event": event, "lease_id": lease_id}
    connection.execute(schema.note, values)


def _configure(connection: Any, _: object) -> None:
    # The driver's own transaction handling begins too late for BEGIN IMMEDIATE.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
