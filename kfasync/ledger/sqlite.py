"""The ledger's SQLite file: one connection, one lock, statements compiled once.

SQLAlchemy writes the statements and the driver executes them: executing them through SQLAlchemy
costs three times as much. With a connection for each lane, the lanes would sleep on each other
in SQLite's busy handler, for longer than a fob takes.

Transactions that wait for each other are committed together: whoever gets the lock carries out
everything that has queued up, in one transaction with one fsync, so that a slow disk costs a
lane two fsyncs at worst and not one for each other lane. Each piece of work stands or falls by
itself, in a savepoint of its own.

Statements are few, for each gives up Python's interpreter lock and has to get it back, while the
other lanes wait for this one: work of one statement has no BEGIN, COMMIT or savepoint around it.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from kfasync.errors import LedgerError
from kfasync.ledger.latency import Latency

T = TypeVar("T")
NOTHING: Mapping[str, Any] = {}

# How long to wait for another process that holds the file, a person's sqlite3 for example.
BUSY_MS = 10_000
_DIALECT = sqlite.dialect(paramstyle="named")
_NORMAL, _FULL = 1, 2  # PRAGMA synchronous


class Session:
    """Executes statements inside a transaction of somebody else's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._compiled: dict[sa.ClauseElement, tuple[str, dict[str, Any]]] = {}

    def run(
        self, statement: sa.ClauseElement, values: Mapping[str, Any] = NOTHING
    ) -> sqlite3.Cursor:
        """Execute one statement; its rows are found by name and by number."""
        sql, defaults = self._sql(statement)
        return self._connection.execute(sql, {**defaults, **values})

    def run_many(self, statement: sa.ClauseElement, values: Sequence[Mapping[str, Any]]) -> None:
        """Execute one statement once for each of the values."""
        sql, defaults = self._sql(statement)
        self._connection.executemany(sql, ({**defaults, **one} for one in values))

    def plain(self, sql: str) -> sqlite3.Cursor:
        """Execute what SQLAlchemy has no construct for."""
        return self._connection.execute(sql)

    def make(self, table: sa.Table) -> None:
        """Make a table with its indexes."""
        self.plain(str(CreateTable(table).compile(dialect=_DIALECT)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            self.plain(str(CreateIndex(index).compile(dialect=_DIALECT)))

    def _sql(self, statement: sa.ClauseElement) -> tuple[str, dict[str, Any]]:
        known = self._compiled.get(statement)
        if known is None:
            compiled = statement.compile(dialect=_DIALECT)
            known = self._compiled[statement] = str(compiled), dict(compiled.params)
        return known


class Store:
    """The file; thread-safe.

    Attributes:
        latency: how long durable work has waited.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._session = Session(connection)
        self._path = path
        self._lock = threading.Lock()
        self._waiting: deque[_Work[Any]] = deque()
        self._synchronous = _FULL
        self.latency = Latency()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file, and make it where there is none.

        Raises:
            LedgerError: it is not a database, or cannot be read and written.
        """
        try:
            connection = sqlite3.connect(
                path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise _error(path, error) from error
        connection.row_factory = sqlite3.Row
        try:
            # WAL, because readers of other processes then never stop a lane.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error as error:
            connection.close()
            raise _error(path, error) from error
        return cls(connection, path)

    def close(self) -> None:
        """Close the file; may be called again."""
        with self._lock:
            self._connection.close()

    def read(self, work: Callable[[Session], T]) -> T:
        """Look things up; what every finished :meth:`write` wrote is seen.

        Raises:
            LedgerError: the file cannot be read.
        """
        with self._lock:
            try:
                return work(self._session)
            except sqlite3.Error as error:
                raise _error(self._path, error) from error

    def write(
        self, work: Callable[[Session], T], *, durable: bool = True, single: bool = False
    ) -> T:
        """Carry out one transaction; an error of ``work`` undoes all of it.

        ``single`` work is one statement, which SQLite makes a transaction of by itself.

        ``durable`` work is on disk when this returns. Other work survives the end of the
        process, but not that of the power, before the next durable one: the log that both are
        in is flushed as a whole.

        Raises:
            LedgerError: the file cannot be written; nothing is changed.
        """
        began_s = time.monotonic()
        mine = _Work(work, durable, single)
        self._waiting.append(mine)
        with self._lock:
            if not mine.done:
                self._commit_waiting(mine)
        if durable:
            self.latency.add(time.monotonic() - began_s)
        if mine.error is not None:
            raise mine.error
        return mine.result

    # ------------------------------------------------------------------ under the lock

    def _commit_waiting(self, mine: "_Work[Any]") -> None:
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        alone = len(batch) == 1
        try:
            self._set_synchronous(_FULL if any(one.durable for one in batch) else _NORMAL)
            if not (alone and mine.single):
                self._connection.execute("BEGIN IMMEDIATE")
            for one in batch:
                self._carry_out(one, alone=alone)
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            # The commit of all of them failed, whatever each has come to.
            self._undo()
            for one in batch:
                one.error = _error(self._path, error)
        except BaseException:
            # Somebody else's work does not end with the thread that happened to do it.
            self._undo()
            self._waiting.extendleft(one for one in reversed(batch) if one is not mine)
            raise
        for one in batch:
            one.done = True

    def _carry_out(self, one: "_Work[Any]", *, alone: bool) -> None:
        savepoint = not alone and not one.single
        if savepoint:
            self._connection.execute("SAVEPOINT one")
        one.error = None
        try:
            one.result = one.work(self._session)
        except Exception as error:
            one.error = _error(self._path, error) if isinstance(error, sqlite3.Error) else error
            one.error.__cause__ = error if one.error is not error else error.__cause__
            if alone:
                self._undo()
                return
            if not self._connection.in_transaction:
                raise sqlite3.OperationalError("the transaction was lost") from error
            if savepoint:
                self._connection.execute("ROLLBACK TO one")
        if savepoint:
            self._connection.execute("RELEASE one")

    def _undo(self) -> None:
        # One that fails has nothing left to undo: the file is closed, or the transaction lost.
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _set_synchronous(self, level: int) -> None:
        if level != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous={level}")
            self._synchronous = level


def _error(path: Path, error: sqlite3.Error) -> LedgerError:
    """The driver's error in our words."""
    full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    way_out = "; make room on its disk, then go on" if full else ""
    return LedgerError(f"the ledger {path} cannot be used: {error}{way_out}")


class _Work(Generic[T]):
    """One transaction that waits for its turn, and then what it has come to."""

    __slots__ = ("done", "durable", "error", "result", "single", "work")

    def __init__(self, work: Callable[[Session], T], durable: bool, single: bool) -> None:
        self.work = work
        self.durable = durable
        self.single = single
        self.done = False
        self.error: Exception | None = None
        self.result: T
