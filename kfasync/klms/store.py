"""The pool's one file: SQLite, durable when a transaction returns, and its tables.

It survives SIGKILL at any moment: WAL with ``synchronous = FULL`` puts a transaction on the disk
before its answer leaves. Several processes may use it, for the administrator's commands run while
the server does.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kfasync.errors import ConfigError, SourceUnavailableError

VERSION = 2
# From a version to the next.
_STEPS = {1: "ALTER TABLE lease ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0"}
# What passes by itself or with a hand: another process writes, the disk is full or fails.
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_BUSY_S = 10.0  # an import of thousands holds the write lock for a second or two

# The triggers hold what the code would get wrong only by mistake: what is final stays final, and
# content changes its unit only by way of being free.
_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE profile (
    name TEXT PRIMARY KEY, ica BLOB NOT NULL, cms_root BLOB NOT NULL
) STRICT;
CREATE TABLE content (
    number INTEGER PRIMARY KEY,
    profile TEXT NOT NULL REFERENCES profile,
    fesn TEXT NOT NULL UNIQUE,
    spid TEXT NOT NULL COLLATE NOCASE UNIQUE,
    key_digest BLOB NOT NULL UNIQUE,
    irk_digest BLOB NOT NULL UNIQUE,
    device_certificate BLOB NOT NULL,
    secrets BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'free'
        CHECK (state IN ('free', 'leased', 'consumed', 'quarantined')),
    uid TEXT,
    aid TEXT,
    touched INTEGER NOT NULL DEFAULT 0,
    CHECK ((state = 'free') = (uid IS NULL) AND (uid IS NULL) = (aid IS NULL)),
    UNIQUE (uid, aid)
) STRICT;
CREATE INDEX content_by_state ON content (profile, state);
CREATE TABLE lease (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    content INTEGER NOT NULL REFERENCES content,
    uid TEXT NOT NULL,
    aid TEXT NOT NULL,
    profile TEXT NOT NULL,
    station TEXT NOT NULL,
    key TEXT NOT NULL,
    opened_s REAL NOT NULL,
    expires_s REAL NOT NULL,
    ended TEXT,
    word TEXT,
    record_hash TEXT,
    answer TEXT,
    repeats INTEGER NOT NULL DEFAULT 0,
    UNIQUE (station, key)
) STRICT;
CREATE INDEX lease_unended ON lease (content) WHERE ended IS NULL;
CREATE TABLE release (
    at_s REAL NOT NULL, uid TEXT NOT NULL, aid TEXT NOT NULL, fesn TEXT NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE TRIGGER final_is_final BEFORE UPDATE OF state ON content
    WHEN old.state IN ('consumed', 'quarantined') AND new.state <> old.state
    BEGIN SELECT raise(ABORT, 'content does not come back from its end'); END;
CREATE TRIGGER content_keeps_its_unit BEFORE UPDATE OF uid, aid ON content
    WHEN old.uid IS NOT NULL AND new.uid IS NOT NULL
        AND (old.uid <> new.uid OR old.aid <> new.aid)
    BEGIN SELECT raise(ABORT, 'content goes from one unit to another'); END;
CREATE TRIGGER free_has_no_lease BEFORE UPDATE OF state ON content
    WHEN new.state = 'free' AND EXISTS
        (SELECT 1 FROM lease WHERE content = old.number AND ended IS NULL)
    BEGIN SELECT raise(ABORT, 'content with an open lease is not free'); END;
CREATE TRIGGER an_end_is_final BEFORE UPDATE OF ended, word, answer ON lease
    WHEN old.ended IS NOT NULL
    BEGIN SELECT raise(ABORT, 'a lease ends once'); END;
"""


class Store:
    """One connection and one lock; made when the file is not there.

    Raises:
        ConfigError: the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            # It holds keys: its mode is given where it is made.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(
                path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                "pool.file", f"{path}: cannot be used as the pool ({error})"
            ) from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            raise ConfigError(
                "pool.file", f"{path}: cannot be used as the pool ({error})"
            ) from error
        except ConfigError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA secure_delete = ON")  # what is consumed leaves no key behind
        with self.transaction() as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _statements(_SCHEMA):
                    db.execute(statement)
            elif version in _STEPS:
                for step in range(version, VERSION):
                    db.execute(_STEPS[step])
            elif version != VERSION:
                raise ConfigError(
                    "pool.file",
                    f"{self._path}: a pool of version {version}, this software knows {VERSION}",
                )
            db.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, with the write lock from the start; on the disk when it is left.

        Raises:
            SourceUnavailableError: the file cannot be written now.
        """
        with self._lock, self._passing():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk has ended the transaction by itself.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """For a question that one statement answers."""
        with self._lock, self._passing():
            yield self._db

    @contextmanager
    def _passing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _PASSING:  # the primary result code
                raise
            raise SourceUnavailableError(
                f"{self._path}: the pool cannot be used now ({error})"
            ) from error


def _statements(script: str) -> Iterator[str]:
    """One at a time: ``executescript`` would commit the transaction that is open."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
