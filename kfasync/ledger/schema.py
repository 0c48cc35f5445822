"""The tables of the ledger, what the database itself refuses, and the file's versions.

The triggers are the last line: code that would move content backwards from BURNED, or to
another unit, fails in the database. They write the journal too, so that no change can be made
without its line.
"""

import secrets
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from kfasync.errors import LedgerError
from kfasync.ledger.sqlite import Session
from kfasync.ledger.summary import make_summary
from kfasync.model import ContentState

SCHEMA_VERSION = 5

metadata = sa.MetaData()

content = sa.Table(
    "content",
    metadata,
    sa.Column("fesn", sa.Text, primary_key=True),
    sa.Column("spid", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    # The unit: a UID and an AID. "" is any AID: earlier versions did not write it down.
    sa.Column("uid", sa.Text),
    sa.Column("aid", sa.Text),
    sa.Column("profile", sa.Text),
    sa.Column("lease_id", sa.Text),
    # The pool elsewhere that has leased it, and what that calls the lease; NULL of containers.
    sa.Column("source", sa.Text),
    sa.Column("source_lease", sa.Text),
    sa.Column("attempt", sa.Text),  # the one that gave it its outcome
    sa.Column("last_sent", sa.Integer, nullable=False),
    sa.Column("changed_at", sa.Text, nullable=False),
    # What it is, whatever it is called; unknown before it was read, and of what 0.1 has burned.
    sa.Column("key_digest", sa.Text),
    sa.Column("irk_digest", sa.Text),
    sa.Column("items_digest", sa.Text),
    # The card in the session that burned it, or announced its last command, and this station's
    # sessions with it since then.
    sa.Column("sequence_counter", sa.Integer),
    sa.Column("diversification_data", sa.Text),
    sa.Column("atr", sa.Text),
    sa.Column("begun", sa.Integer),
    sa.Column("authenticated", sa.Integer),
    sa.Column("recoverable", sa.Integer),
    sa.CheckConstraint(f"state IN ({', '.join(repr(s.value) for s in ContentState)})"),
    sa.CheckConstraint("(state = 'FREE') = (uid IS NULL)"),
    sa.Index("content_by_state", "state", "fesn"),
    sqlite_strict=True,
)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("fesn", sa.Text, nullable=False),
    sa.Column("uid", sa.Text),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("lease_id", sa.Text),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

record = sa.Table(
    "record",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("attempt", sa.Text, nullable=False, unique=True),
    sa.Column("uid", sa.Text, index=True),
    sa.Column("profile", sa.Text),
    sa.Column("disposition", sa.Text, nullable=False),
    sa.Column("json", sa.Text, nullable=False),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

# What has begun and has not ended: after a crash, what was interrupted.
attempt = sa.Table(
    "attempt",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("uid", sa.Text, nullable=False),
    sa.Column("aid", sa.Text, nullable=False),
    sa.Column("profile", sa.Text, nullable=False),
    sa.Column("atr", sa.Text, nullable=False),
    sa.Column("slot", sa.Integer, nullable=False),
    sa.Column("reader", sa.Text, nullable=False),
    sa.Column("started", sa.Text, nullable=False),
    sqlite_strict=True,
)

# What the source of the content has still to hear. A row goes when the source has acknowledged
# it; one that the source has refused for good stays, with the reason, until a person looks.
outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("uid", sa.Text, nullable=False),
    sa.Column("lease_id", sa.Text, nullable=False),  # as the source calls it
    sa.Column("end", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("touched", sa.Text, nullable=False),
    sa.Column("record_sha256", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("problem", sa.Text),
    sa.Column("refused", sa.Integer, nullable=False, server_default="0"),
    sa.Index("outbox_by_unit", "uid", "source", "refused", "id"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

# Containers that must not be issued, until their files change.
set_aside = sa.Table(
    "set_aside",
    metadata,
    sa.Column("fesn", sa.Text, primary_key=True),
    sa.Column("spid", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("stamp", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sqlite_strict=True,
)

# What belongs to this ledger as a whole.
meta = sa.Table(
    "meta",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sqlite_strict=True,
)
DIGEST_KEY, LEDGER_ID, STARTS, POOL = "digest-key", "ledger-id", "starts", "pool "
TOUCHED = "touched"

# Content is what it is: the same key, SPID or IRK is burned once, whatever it is called.
_BURNED = "state IN ('BURNED', 'CONSUMED', 'QUARANTINED')"
# Beside those, which hold burned content alone, what looks for a twin needs all of it.
INDEXES = (
    "CREATE INDEX content_by_key ON content (key_digest)",
    "CREATE INDEX content_by_irk ON content (irk_digest)",
    "CREATE INDEX content_by_spid ON content (upper(spid))",
    # A unit gets one content in its life, and a claim against that fails in the database.
    "CREATE UNIQUE INDEX content_unit ON content (uid, aid)",
    f"CREATE UNIQUE INDEX content_key ON content (key_digest) WHERE {_BURNED}",
    f"CREATE UNIQUE INDEX content_irk ON content (irk_digest) WHERE {_BURNED}",
    f"CREATE UNIQUE INDEX content_spid ON content (upper(spid)) WHERE {_BURNED}",
)

_ANY_AID = """
    WHEN EXISTS (SELECT 1 FROM content WHERE uid = NEW.uid AND fesn <> NEW.fesn AND aid = '')
    BEGIN SELECT RAISE(ABORT, 'this UID has had content, of whichever AID'); END
"""
_JOURNAL = "INSERT INTO journal (at, fesn, uid, event, lease_id) VALUES"
TRIGGERS = (
    """
    CREATE TRIGGER content_forward BEFORE UPDATE ON content
    WHEN NOT CASE OLD.state
        WHEN 'FREE' THEN NEW.state IN ('FREE', 'RESERVED')
        WHEN 'RESERVED' THEN NEW.state IN ('FREE', 'RESERVED', 'BURNED')
        WHEN 'BURNED' THEN NEW.state IN ('BURNED', 'CONSUMED', 'QUARANTINED')
        ELSE NEW.state = OLD.state END
    BEGIN SELECT RAISE(ABORT, 'content never goes backwards'); END
    """,
    """
    CREATE TRIGGER content_bound BEFORE UPDATE ON content
    WHEN OLD.state NOT IN ('FREE', 'RESERVED') AND NOT (
        NEW.fesn IS OLD.fesn AND NEW.spid IS OLD.spid
        AND NEW.uid IS OLD.uid AND NEW.aid IS OLD.aid)
    BEGIN SELECT RAISE(ABORT, 'burned content belongs to its unit for ever'); END
    """,
    f"""
    CREATE TRIGGER content_of_any_aid_claimed BEFORE UPDATE OF uid ON content {_ANY_AID}
    """,
    f"""
    CREATE TRIGGER content_of_any_aid_arrives BEFORE INSERT ON content {_ANY_AID}
    """,
    """
    CREATE TRIGGER content_kept BEFORE DELETE ON content WHEN OLD.state <> 'FREE'
    BEGIN SELECT RAISE(ABORT, 'content that was issued is never forgotten'); END
    """,
    f"""
    CREATE TRIGGER content_arrives AFTER INSERT ON content WHEN NEW.state <> 'FREE'
    BEGIN {_JOURNAL} (NEW.changed_at, NEW.fesn, NEW.uid, 'reserved', NEW.lease_id); END
    """,
    f"""
    CREATE TRIGGER content_changes AFTER UPDATE OF state, lease_id, last_sent ON content
    BEGIN {_JOURNAL} (NEW.changed_at, NEW.fesn, coalesce(NEW.uid, OLD.uid), CASE
        WHEN NEW.state = 'FREE' THEN 'released'
        WHEN NEW.state IN ('CONSUMED', 'QUARANTINED') THEN lower(NEW.state)
        WHEN NEW.lease_id IS NOT OLD.lease_id THEN 'reserved'
        WHEN NEW.last_sent > OLD.last_sent THEN 'last-sent'
        WHEN NEW.last_sent < OLD.last_sent THEN 'still-open'
        ELSE 'burned' END, coalesce(NEW.lease_id, OLD.lease_id)); END
    """,
)


def create(session: Session) -> None:
    """Make all of it in an empty file."""
    for table in (content, journal, record, attempt, outbox, set_aside, meta):
        session.make(table)
    for statement in (*INDEXES, *TRIGGERS):
        session.plain(statement)
    make_summary(session)
    _remember(session, DIGEST_KEY, secrets.token_bytes(32))
    _remember(session, LEDGER_ID, secrets.token_bytes(16))


def migrate(session: Session, version: int) -> None:
    """Bring a file of an earlier version up to this one; forward only."""
    for number in range(version, SCHEMA_VERSION):
        _MIGRATIONS[number](session)


def _outbox(session: Session) -> None:
    session.make(outbox)


def _fingerprints(session: Session) -> None:
    for name in ("key_digest", "irk_digest", "items_digest", "diversification_data", "atr"):
        session.plain(f"ALTER TABLE content ADD COLUMN {name} TEXT")
    for name in ("sequence_counter", "begun", "authenticated", "recoverable"):
        session.plain(f"ALTER TABLE content ADD COLUMN {name} INTEGER")
    for table in (set_aside, meta):
        session.make(table)
    spid = sa.func.upper(content.c.spid)
    of_one_spid = (
        sa.select(
            sa.func.min(content.c.fesn).label("one"), sa.func.max(content.c.fesn).label("other")
        )
        .where(content.c.state.in_(("BURNED", "CONSUMED", "QUARANTINED")))
        .group_by(spid)
        .having(sa.func.count() > 1)
    )
    twice = session.plain(
        str(of_one_spid.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    ).fetchone()
    if twice is not None:
        raise LedgerError(
            f"containers {twice['one']} and {twice['other']} have one SPID, and an earlier version "
            "has issued both; collect the two fobs, and start a new data_dir with other containers"
        )
    _remember(session, DIGEST_KEY, secrets.token_bytes(32))


def _units_by_aid(session: Session) -> None:
    session.make(attempt)
    # Made anew, for SQLite cannot take the old constraint out of a table. Its triggers and
    # indexes go with it.
    session.plain("ALTER TABLE content RENAME TO content_before")
    for (name,) in session.plain(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'content_before' "
        "AND sql IS NOT NULL"
    ).fetchall():
        session.plain(f"DROP INDEX {name}")
    session.make(content)
    kept = [column.name for column in content.columns if column.name not in _NEW]
    before = sa.table("content_before", *(sa.column(name) for name in kept))
    aid = sa.case((before.c.uid.is_(None), sa.null()), else_="")
    session.run(sa.insert(content).from_select([*kept, "aid"], sa.select(*before.c, aid)))
    session.plain("DROP TABLE content_before")
    for statement in (*INDEXES, *TRIGGERS):
        session.plain(statement)
    _remember(session, LEDGER_ID, secrets.token_bytes(16))


_NEW = ("aid", "source", "source_lease")


def _remember(session: Session, name: str, value: bytes) -> None:
    session.run(
        sa.insert(meta).values(name=sa.bindparam("new_name"), value=sa.bindparam("new_value")),
        {"new_name": name, "new_value": value},
    )


# From the version that is the key to the next one.
_MIGRATIONS: dict[int, Callable[[Session], None]] = {
    1: _outbox,
    2: _fingerprints,
    3: _units_by_aid,
    4: make_summary,
}
