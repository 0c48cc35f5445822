"""The statements of a fob's way through the ledger.

Each takes its values under names of its own: ``of_`` for what it looks for, ``new_`` for what
it writes.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from kfasync.ledger.schema import attempt, content, meta, outbox, record, set_aside
from kfasync.model import ContentState

_FREE, _RESERVED, _BURNED, _CONSUMED, _QUARANTINED = (state.value for state in ContentState)
_state = content.c.state


def _is_aid(aid: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return sa.or_(content.c.aid == aid, content.c.aid == "")


_unit = (content.c.uid == sa.bindparam("of_uid")) & _is_aid(sa.bindparam("of_aid"))
_lease = (
    (content.c.fesn == sa.bindparam("of_fesn"))
    & (content.c.lease_id == sa.bindparam("of_lease_id"))
    & (content.c.uid == sa.bindparam("of_uid"))
)
_changed: dict[str, Any] = {"changed_at": sa.bindparam("at")}
_freed: dict[str, Any] = {
    "state": _FREE,
    "uid": None,
    "aid": None,
    "profile": None,
    "lease_id": None,
    "source": None,
    "source_lease": None,
    "attempt": None,
    # What is free may be another thing when it is claimed the next time.
    "key_digest": None,
    "irk_digest": None,
    "items_digest": None,
    **_changed,
}

# ------------------------------------------------------------------ what is on offer

free = sa.select(content.c.fesn, content.c.spid).where(_state == _FREE)
withdraw = sa.delete(content).where(content.c.fesn == sa.bindparam("of_fesn"), _state == _FREE)
_new = sa.select(
    sa.bindparam("new_fesn", type_=sa.Text),
    sa.bindparam("new_spid", type_=sa.Text),
    sa.literal(_FREE),
    sa.literal(0),
    sa.bindparam("at", type_=sa.Text),
).where(~sa.exists().where(set_aside.c.fesn == sa.bindparam("new_fesn")))
# Content that is there already stays as it is, and what was set aside stays there.
offer = (
    sqlite.insert(content)
    .from_select(["fesn", "spid", "state", "last_sent", "changed_at"], _new)
    .on_conflict_do_nothing()
)
_offered = sa.func.json_each(sa.bindparam("offered")).table_valued("key", "value")
# Of those offered, by FESN and SPID, the ones that are known with another SPID.
renamed = (
    sa.select(content.c.fesn, _offered.c.value.label("spid"))
    .select_from(_offered.join(content, content.c.fesn == _offered.c.key))
    .where(content.c.spid != _offered.c.value)
)

taken = sa.select(content.c.fesn).where(_state != _FREE)

# ------------------------------------------------------------------ whose it is

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
        # Of an earlier version's unit nobody knows it.
        aid=sa.func.coalesce(content.c.aid, sa.bindparam("of_aid")),
        profile=sa.bindparam("of_profile"),
        lease_id=sa.bindparam("new_lease_id"),
        **_changed,
    )
    .returning(content.c.fesn, content.c.spid)
)
_ARRIVING = ("spid", "uid", "profile", "lease_id", "source", "source_lease", "changed_at")
# Content that has come from elsewhere: new here, free here, or the unit's own already. Nothing
# is changed, and no row returned, when it is another unit's or was issued with another SPID.
_arrived = sqlite.insert(content).values(
    fesn=sa.bindparam("of_fesn"),
    spid=sa.bindparam("of_spid"),
    state=_RESERVED,
    uid=sa.bindparam("of_uid"),
    aid=sa.bindparam("of_aid"),
    profile=sa.bindparam("of_profile"),
    lease_id=sa.bindparam("new_lease_id"),
    source=sa.bindparam("of_source"),
    source_lease=sa.bindparam("of_source_lease"),
    last_sent=0,
    **_changed,
)
adopt = _arrived.on_conflict_do_update(
    index_elements=[content.c.fesn],
    set_={
        "state": sa.case((_state == _FREE, _RESERVED), else_=_state),
        "aid": sa.func.coalesce(content.c.aid, _arrived.excluded.aid),
        **{name: _arrived.excluded[name] for name in _ARRIVING},
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

# ------------------------------------------------------------------ what it is

# Other content that has been issued, or is about to be, and is the same by what it is. Three
# searches and not one with OR, for which SQLite would walk through the whole pool.
_other = content.alias("other")
_same = sa.union_all(
    *(
        sa.select(_other.c.fesn).where(
            condition, _other.c.fesn != sa.bindparam("of_fesn"), _other.c.state != _FREE
        )
        for condition in (
            _other.c.key_digest == sa.bindparam("new_key"),
            _other.c.irk_digest == sa.bindparam("new_irk"),
            sa.func.upper(_other.c.spid) == sa.func.upper(sa.bindparam("of_spid", type_=sa.Text)),
        )
    )
)
twin = sa.select(content).where(content.c.fesn.in_(_same))
# Nothing is changed when it has a twin, or is burned and was another thing then.
identify = (
    sa.update(content)
    .where(
        _lease,
        sa.or_(
            _state != _BURNED,
            content.c.items_digest.is_(None),
            content.c.items_digest == sa.bindparam("new_items"),
        ),
        ~sa.exists(_same.subquery().select()),
    )
    .values(
        key_digest=sa.bindparam("new_key"),
        irk_digest=sa.bindparam("new_irk"),
        items_digest=sa.bindparam("new_items"),
    )
)
recall = sa.select(meta.c.value).where(meta.c.name == sa.bindparam("of_name"))
remember = sqlite.insert(meta).values(name=sa.bindparam("of_name"), value=sa.bindparam("new_value"))
remember = remember.on_conflict_do_update(
    index_elements=[meta.c.name], set_={"value": remember.excluded.value}
)

put_aside = sqlite.insert(set_aside).values(
    {name: sa.bindparam(f"new_{name}") for name in ("fesn", "spid", "reason", "stamp")}
    | {"at": sa.bindparam("at")}
)
put_aside = put_aside.on_conflict_do_update(
    index_elements=[set_aside.c.fesn],
    set_={name: put_aside.excluded[name] for name in ("spid", "reason", "stamp", "at")},
)
aside = sa.select(set_aside).order_by(set_aside.c.fesn)
take_back = sa.delete(set_aside).where(set_aside.c.fesn == sa.bindparam("of_fesn"))

# ------------------------------------------------------------------ what became of it

_session: dict[str, Any] = {
    "sequence_counter": sa.bindparam("new_counter"),
    "diversification_data": sa.bindparam("new_diversification_data"),
    "atr": sa.bindparam("new_atr"),
    "begun": 0,
    "authenticated": 0,
    "recoverable": 0,
}
burn = (
    sa.update(content)
    .where(_lease, sa.or_(_state == _RESERVED, _state == _BURNED))
    .values(state=_BURNED, **_session, **_changed)
)
send_last = (
    sa.update(content)
    .where(_lease, _state == _BURNED)
    .values(last_sent=sa.bindparam("sent"), **_session, **_changed)
)
begin = sa.update(content).where(_lease, _state == _BURNED).values(begun=content.c.begun + 1)
authenticate = (
    sa.update(content)
    .where(_lease, _state == _BURNED)
    .values(authenticated=content.c.authenticated + 1)
)
_resolved = content.c.fesn == sa.bindparam("of_fesn")
resolve_recoverable = (
    sa.update(content)
    .where(_resolved, _state == _BURNED, content.c.last_sent == 1)
    .values(recoverable=1, **_changed)
)
resolve_failed = (
    sa.update(content)
    .where(_resolved, _state == _BURNED)
    .values(state=_QUARANTINED, attempt=sa.bindparam("by_attempt"), **_changed)
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
release = sa.update(content).where(_lease, _state == _RESERVED).values(**_freed)
_reserved = sa.update(content).where(_state == _RESERVED).values(**_freed)
# What an interrupted attempt had claimed is released with its record.
release_all = _reserved.where(
    ~sa.exists().where(attempt.c.uid == content.c.uid, _is_aid(attempt.c.aid))
)
release_unit = _reserved.where(_unit)
release_others = release_unit.where(content.c.fesn != sa.bindparam("of_fesn"))

# ------------------------------------------------------------------ attempts and their records

_ATTEMPT = ("id", "uid", "aid", "profile", "atr", "slot", "reader", "started")
start_attempt = sa.insert(attempt).values({name: sa.bindparam(f"new_{name}") for name in _ATTEMPT})
end_attempt = sa.delete(attempt).where(attempt.c.id == sa.bindparam("new_attempt"))
interrupted = (
    sa.select(attempt, content.c.fesn, content.c.spid, content.c.state, content.c.last_sent)
    .add_columns(content.c.source, content.c.source_lease, content.c.changed_at)
    .select_from(
        attempt.outerjoin(
            content,
            (content.c.uid == attempt.c.uid)
            & _is_aid(attempt.c.aid)
            & sa.or_(_state == _RESERVED, _state == _BURNED),
        )
    )
    .order_by(attempt.c.started)
)

add_record = sa.insert(record).values(
    {name: sa.bindparam(f"new_{name}") for name in ("attempt", "uid", "profile", "disposition")}
    | {"json": sa.bindparam("new_json")}
)
record_of = sa.select(record.c.id, record.c.json).where(
    record.c.attempt == sa.bindparam("of_attempt")
)
last_record = sa.select(sa.func.coalesce(sa.func.max(record.c.id), 0))
records_after = (
    sa.select(record.c.id, record.c.json)
    .where(record.c.id > sa.bindparam("last"))
    .order_by(record.c.id)
    .limit(sa.bindparam("most"))
)

# ------------------------------------------------------------------ looking back

burned = sa.select(content).where(_state == _BURNED).order_by(content.c.changed_at)
counts = sa.select(_state, sa.func.count().label("pieces")).group_by(_state)

# ------------------------------------------------------------------ the outbox

_OUTBOX = ("source", "uid", "lease_id", "end", "outcome", "touched", "record_sha256", "created_at")
post = sa.insert(outbox).values({name: sa.bindparam(f"new_{name}") for name in _OUTBOX})
_row = outbox.c.id == sa.bindparam("of_id")
# The oldest end of each unit alone: the next one is told when that was heard.
_earlier = outbox.alias("earlier")
due = (
    sa.select(outbox)
    .where(
        outbox.c.source == sa.bindparam("of_source"),
        outbox.c.refused == 0,
        ~sa.exists().where(
            _earlier.c.uid == outbox.c.uid,
            _earlier.c.source == outbox.c.source,
            _earlier.c.refused == 0,
            _earlier.c.id < outbox.c.id,
        ),
    )
    .order_by(outbox.c.id)
    .limit(sa.bindparam("most"))
)
acknowledge = sa.delete(outbox).where(_row)
postpone = (
    sa.update(outbox)
    .where(_row)
    .values(tries=outbox.c.tries + 1, problem=sa.bindparam("new_problem"))
)
refuse = (
    sa.update(outbox)
    .where(_row)
    .values(tries=outbox.c.tries + 1, refused=1, problem=sa.bindparam("new_problem"))
)
drop_end = sa.delete(outbox).where(
    outbox.c.source == sa.bindparam("of_source"),
    outbox.c.uid == sa.bindparam("of_uid"),
    outbox.c.lease_id == sa.bindparam("of_lease_id"),
    outbox.c.refused == 0,
)
waiting = sa.select(
    outbox.c.source,
    sa.func.sum(1 - outbox.c.refused).label("due"),
    sa.func.sum(outbox.c.refused).label("refused"),
    sa.func.min(outbox.c.created_at).label("oldest"),
    sa.func.coalesce(sa.func.max(outbox.c.problem), "").label("problem"),
).group_by(outbox.c.source)
