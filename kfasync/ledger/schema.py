"""The tables of the ledger, and the statements of a fob's way through them.

The statements are made once, with named parameters: SQLAlchemy takes ten times as long to
put one together as SQLite takes to carry it out.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

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

_FREE, _RESERVED, _BURNED, _CONSUMED, _QUARANTINED = (state.value for state in ContentState)
_state = content.c.state
_unit = (content.c.uid == sa.bindparam("of_uid")) & (
    content.c.profile == sa.bindparam("of_profile")
)
_lease = (
    (content.c.fesn == sa.bindparam("of_fesn"))
    & (content.c.lease_id == sa.bindparam("of_lease_id"))
    & (content.c.uid == sa.bindparam("of_uid"))
)
_changed: dict[str, Any] = {"changed_at": sa.bindparam("at")}
_freed: dict[str, Any] = {
    "state": _FREE,
    "uid": None,
    "profile": None,
    "lease_id": None,
    "attempt": None,
    **_changed,
}

# Chosen and taken in one statement: who reads first and writes after gives two lanes the same.
claim = (
    sa.update(content)
    .where(
        content.c.fesn
        == sa.func.coalesce(
            sa.select(content.c.fesn)
            .where(_unit, sa.or_(_state == _RESERVED, _state == _BURNED))
            .scalar_subquery(),
            sa.select(content.c.fesn)
            .where(_state == _FREE)
            .order_by(content.c.fesn)
            .limit(1)
            .scalar_subquery(),
        )
    )
    .values(
        state=sa.case((_state == _FREE, _RESERVED), else_=_state),
        uid=sa.bindparam("of_uid"),
        profile=sa.bindparam("of_profile"),
        lease_id=sa.bindparam("new_lease_id"),
        **_changed,
    )
    .returning(content.c.fesn, content.c.spid)
)
# Content that has come from elsewhere: new here, free here, or the unit's own already. Nothing
# is changed, and no row returned, when it is another unit's or was issued with another SPID.
_arrived = sqlite.insert(content).values(
    fesn=sa.bindparam("of_fesn"),
    spid=sa.bindparam("of_spid"),
    state=_RESERVED,
    uid=sa.bindparam("of_uid"),
    profile=sa.bindparam("of_profile"),
    lease_id=sa.bindparam("new_lease_id"),
    **_changed,
)
adopt = _arrived.on_conflict_do_update(
    index_elements=[content.c.fesn],
    set_={
        "state": sa.case((_state == _FREE, _RESERVED), else_=_state),
        **{
            name: _arrived.excluded[name]
            for name in ("spid", "uid", "profile", "lease_id", "changed_at")
        },
    },
    where=sa.or_(
        _state == _FREE,
        _unit
        & (content.c.spid == _arrived.excluded.spid)
        & sa.or_(_state == _RESERVED, _state == _BURNED),
    ),
).returning(content.c.state)
holder = sa.select(content).where(content.c.fesn == sa.bindparam("of_fesn"))
standing = sa.select(content).where(_unit)
burn = (
    sa.update(content)
    .where(_lease, sa.or_(_state == _RESERVED, _state == _BURNED))
    .values(state=_BURNED, **_changed)
)
send_last = (
    sa.update(content)
    .where(_lease, _state == _BURNED)
    .values(last_sent=sa.bindparam("sent"), **_changed)
)
consume = (
    sa.update(content)
    .where(_lease, _state == _BURNED, content.c.last_sent == 1)
    .values(state=_CONSUMED, attempt=sa.bindparam("by_attempt"), **_changed)
)
quarantine = (
    sa.update(content)
    .where(_lease, _state == _BURNED)
    .values(state=_QUARANTINED, attempt=sa.bindparam("by_attempt"), **_changed)
)
free = sa.update(content).where(_lease, _state == _RESERVED).values(**_freed)
reserved = sa.select(content).where(_state == _RESERVED)
reserved_by = reserved.where(_unit)
free_reserved = sa.update(content).where(_state == _RESERVED).values(**_freed)
free_reserved_by = free_reserved.where(_unit)
reserved_beside = reserved_by.where(content.c.fesn != sa.bindparam("of_fesn"))
free_reserved_beside = free_reserved_by.where(content.c.fesn != sa.bindparam("of_fesn"))
note = sa.insert(journal)
add_record = sa.insert(record)
record_of = sa.select(record.c.id, record.c.json).where(
    record.c.attempt == sa.bindparam("of_attempt")
)
records_after = (
    sa.select(record.c.json).where(record.c.id > sa.bindparam("last")).order_by(record.c.id)
)
