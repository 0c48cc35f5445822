"""The tables of the ledger."""

import sqlalchemy as sa

from kfasync.model import ContentState

SCHEMA_VERSION = 1

metadata = sa.MetaData()

content = sa.Table(
    "content",
    metadata,
    sa.Column("fesn", sa.Text, primary_key=True),
    sa.Column("spid", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("uid", sa.Text),
    sa.Column("profile", sa.Text),
    sa.Column("lease_id", sa.Text),
    sa.Column("attempt", sa.Text),  # the one that gave it its outcome
    sa.Column("last_sent", sa.Integer, nullable=False, default=0),
    sa.Column("changed_at", sa.Text, nullable=False),
    # A unit gets one content in its life, and a claim against that fails in the database.
    sa.UniqueConstraint("uid", "profile"),
    sa.CheckConstraint(f"state IN ({', '.join(repr(s.value) for s in ContentState)})"),
    sa.CheckConstraint("(state = 'FREE') = (uid IS NULL)"),
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
