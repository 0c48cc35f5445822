"""What a ledger says of the past, to whoever only reads it: another process than the station's.

The file is opened so that nothing can be written, each look is one short transaction, and SQLite's
log of changes lets a reader and the one writer pass each other: no lane waits for this.
"""

import sqlite3
import threading
from pathlib import Path
from typing import Any, Self

import msgspec
import sqlalchemy as sa

from kfasync.errors import LedgerError
from kfasync.ledger.schema import SCHEMA_VERSION, record
from kfasync.ledger.sqlite import Session
from kfasync.ledger.summary import summary
from kfasync.model import Disposition

_LAST = "\uffff"  # sorts behind everything that a name is made of

_id, _finished = summary.c.id, summary.c.finished
_is_attempt = summary.c.cause.is_not(None)
_newest = (
    sa.select(summary)
    .where(_id < sa.bindparam("before"))
    .order_by(_id.desc())
    .limit(sa.bindparam("most"))
)


def _begins(column: sa.Column[str]) -> sa.Select[tuple[int]]:
    return sa.select(_id).where(column >= sa.bindparam("low"), column < sa.bindparam("high"))


# By the indexes, of which an OR would use neither.
_found = _newest.where(_id.in_(sa.union_all(_begins(summary.c.uid), _begins(summary.c.fesn))))
_record = sa.select(record.c.json).where(record.c.id == sa.bindparam("number"))
_pieces = sa.func.count().label("pieces")
_of_end = (summary.c.disposition, summary.c.cause, summary.c.sw)
_counts = (
    sa.select(*_of_end, _pieces)
    .where(_finished >= sa.bindparam("since"), _is_attempt)
    .group_by(*_of_end)
    .order_by(_pieces.desc(), *_of_end)
)
_ends = (
    sa.select(_finished, summary.c.disposition)
    .where(_finished >= sa.bindparam("since"), _is_attempt)
    .order_by(_finished)
)
_last = (
    sa.select(_finished, summary.c.disposition)
    .where(_is_attempt)
    .order_by(_id.desc())
    .limit(sa.bindparam("most"))
)
_newest_passed = (
    sa.select(_id)
    .where(summary.c.disposition == Disposition.PASS.value)
    .order_by(_id.desc())
    .limit(sa.bindparam("most"))
)
_passed = (
    sa.select(record.c.json).where(record.c.id.in_(_newest_passed)).order_by(record.c.id.desc())
)


class Line(msgspec.Struct, frozen=True):
    """A record in a few words; ``number`` is the record's. None is for what it does not have."""

    number: int
    finished: str | None
    slot: int | None
    uid: str | None
    fesn: str | None
    disposition: str
    cause: str | None
    sw: str | None


class Count(msgspec.Struct, frozen=True):
    """How often attempts have ended like this."""

    disposition: str
    cause: str
    sw: str | None
    pieces: int


class End(msgspec.Struct, frozen=True):
    """When an attempt has ended, in UTC by RFC 3339, and how."""

    finished: str
    disposition: str


class History:
    """The records of a ledger; thread-safe."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._session = Session(connection)
        self._path = path
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file of a ledger.

        Raises:
            LedgerError: it is not there, cannot be read, or is of another version of kfasync.
        """
        try:
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise _unreadable(path, error) from error
        connection.row_factory = sqlite3.Row
        history = cls(connection, path)
        try:
            history._require_version()
        except LedgerError:
            history.close()
            raise
        return history

    def _require_version(self) -> None:
        try:
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error as error:
            raise _unreadable(self._path, error) from error
        if version != SCHEMA_VERSION:
            raise LedgerError(
                f"the ledger {self._path} has schema {version} and not {SCHEMA_VERSION}; the "
                "station brings it up to date when it starts"
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def lines(self, *, search: str = "", before: int | None = None, most: int) -> list[Line]:
        """The newest records, newest first.

        Args:
            search: what a UID or a FESN begins with, in upper case; "" takes all.
            before: only records with a lower number: the next page.
            most: how many.
        """
        values: dict[str, str | int] = {"most": most}
        values["before"] = 2**63 - 1 if before is None else before
        if not search:
            return [Line(*row) for row in self._rows(_newest, values)]
        values |= {"low": search, "high": search + _LAST}
        return [Line(*row) for row in self._rows(_found, values)]

    def record(self, number: int) -> str | None:
        """The JSON of a record; None when there is none of that number."""
        rows = self._rows(_record, {"number": number})
        return str(rows[0]["json"]) if rows else None

    def counts(self, since: str) -> list[Count]:
        """How attempts have ended since then, the most frequent first."""
        return [Count(*row) for row in self._rows(_counts, {"since": since})]

    def ends(self, since: str) -> list[End]:
        """Every attempt that has ended since then, oldest first."""
        return [End(*row) for row in self._rows(_ends, {"since": since})]

    def last(self, most: int) -> list[End]:
        """The last attempts that have ended, oldest first."""
        return [End(*row) for row in reversed(self._rows(_last, {"most": most}))]

    def passed(self, most: int) -> list[str]:
        """The JSON of the last records of fobs that passed, newest first."""
        return [row["json"] for row in self._rows(_passed, {"most": most})]

    def _rows(self, statement: sa.Select[Any], values: dict[str, str | int]) -> list[sqlite3.Row]:
        with self._lock:
            try:
                # All at once: a reader in the middle of its rows would hold up the log's renewal.
                return self._session.run(statement, values).fetchall()
            except sqlite3.Error as error:
                raise _unreadable(self._path, error) from error


def _unreadable(path: Path, error: sqlite3.Error) -> LedgerError:
    return LedgerError(f"the ledger {path} cannot be read: {error}")
