"""What the ledger writes of one attempt, from its beginning to its end."""

import json
import sqlite3

import msgspec

from kfasync.contracts.sources import End
from kfasync.errors import AlreadyProvisionedError, LedgerError, UnitRejectedError
from kfasync.ledger import statements
from kfasync.ledger.outbox import post
from kfasync.ledger.sqlite import Session
from kfasync.ledger.values import now, of_lease, of_unit
from kfasync.model import (
    Content,
    ContentState,
    Disposition,
    Earlier,
    Lease,
    Standing,
    Touched,
    Unit,
)

_TO_MILLISECONDS = len("2026-01-01T00:00:00.000")
_OPEN = (ContentState.RESERVED.value, ContentState.BURNED.value)
_SETTLING = {
    ContentState.FREE: statements.release,
    ContentState.CONSUMED: statements.consume,
    ContentState.QUARANTINED: statements.quarantine,
}


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt ended, with all that is to be written down of it.

    ``state`` is what becomes of the leased content; None or BURNED leave it as it is. FREE
    without a lease is for content that was claimed for the unit and came no further. ``end``
    is what the pool ``source`` has to be told, if it is to be told anything.
    """

    attempt: str
    record: str  # one line of JSON
    disposition: Disposition
    unit: Unit | None = None
    lease: Lease | None = None
    state: ContentState | None = None
    source: str = ""
    end: End | None = None


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that knows its unit, written down before anything is done to that."""

    attempt: str
    unit: Unit
    slot: int
    reader: str
    started: str


class Interrupted(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that began and never ended, for its process was killed.

    ``content`` is the unit's, and None where it has none. ``state`` and ``last_sent`` are the
    content's. ``source`` has leased it for this attempt as ``lease_id``, if it came from elsewhere.
    """

    begun: Begun
    content: Content | None
    state: ContentState | None
    last_sent: bool
    source: str
    lease_id: str


class Unfinished(msgspec.Struct, frozen=True):
    """A unit whose content is burned and whose outcome nobody knows: place it again.

    ``source`` has leased the content as ``lease_id``, if it came from elsewhere.
    """

    uid: str
    content: Content
    last_sent: bool
    profile: str
    since: str
    recoverable: bool
    source: str
    lease_id: str


def look(session: Session, unit: Unit) -> tuple[sqlite3.Row | None, str]:
    """A unit's content, and the record that gave it its outcome, where there is one."""
    row = session.run(statements.standing, of_unit(unit)).fetchone()
    if row is None or row["state"] in _OPEN:
        return row, ""
    final = session.run(statements.record_of, {"of_attempt": row["attempt"]}).fetchone()
    return row, final["json"]


def standing(unit: Unit, row: sqlite3.Row | None, final_record: str) -> Standing:
    """What earlier attempts did to a unit, from what :func:`look` has found.

    Raises:
        AlreadyProvisionedError, UnitRejectedError: it has had its turn.
    """
    if row is None or row["state"] == ContentState.RESERVED.value:
        return Standing()
    if row["state"] == ContentState.BURNED.value:
        touched = Touched.UNKNOWN if row["last_sent"] else Touched.PARTIAL
        return Standing(touched, _earlier(row))
    final = json.loads(final_record)
    uid = unit.uid.hex().upper()
    when = f"{final['finished']} as {row['fesn']} (record {row['attempt']})"
    if row["state"] == ContentState.CONSUMED.value:
        raise AlreadyProvisionedError(f"fob {uid} was already provisioned on {when}")
    raise UnitRejectedError(
        f"fob {uid} failed for good on {when}: {final['message']}; put it in the reject bin"
    )


def interrupted(row: sqlite3.Row) -> Interrupted:
    """One row of what has begun and not ended."""
    uid = bytes.fromhex(row["uid"])
    atr, aid = bytes.fromhex(row["atr"]), bytes.fromhex(row["aid"])
    return Interrupted(
        begun=Begun(
            attempt=row["id"],
            unit=Unit(uid, uid, atr, aid, row["profile"]),
            slot=row["slot"],
            reader=row["reader"],
            started=row["started"],
        ),
        content=Content(row["fesn"], row["spid"]) if row["fesn"] else None,
        state=ContentState(row["state"]) if row["state"] else None,
        last_sent=bool(row["last_sent"]),
        source=row["source"] or "",
        lease_id=(row["source_lease"] or "") if _is_of_it(row) else "",
    )


def _is_of_it(row: sqlite3.Row) -> bool:
    """Whether what is leased was leased for this attempt, not for one that has told its end."""
    if row["state"] != ContentState.BURNED.value:
        return True
    # Entering a lease changes the row. The ledger's times have milliseconds, a record's more.
    changed: str = row["changed_at"]
    began: str = row["started"]
    return changed[:_TO_MILLISECONDS] >= began[:_TO_MILLISECONDS]


def add_decision(
    session: Session,
    attempt: str,
    disposition: str,
    record: str,
    unfinished: Unfinished | None = None,
) -> None:
    """The record of what a person has decided, of a fob or of the pool."""
    session.run(
        statements.add_record,
        {
            "new_attempt": attempt,
            "new_uid": unfinished.uid.lower() if unfinished else None,
            "new_profile": unfinished.profile if unfinished else None,
            "new_disposition": disposition,
            "new_json": record,
        },
    )


def withdraw_end(session: Session, unfinished: Unfinished) -> bool:
    """Whether another end of its lease can be told: none is written yet, or it was not heard."""
    of = {
        "of_source": unfinished.source,
        "of_uid": unfinished.uid.lower(),
        "of_lease_id": unfinished.lease_id,
    }
    if session.run(statements.drop_end, of).rowcount:
        return True
    begun = session.run(statements.interrupted).fetchall()
    return any(row["uid"] == of["of_uid"] for row in begun)


def finish(session: Session, ending: Ending) -> None:
    """Write an ending down, whole.

    Raises:
        LedgerError: the content cannot come into that state.
    """
    unit, lease, state, end = ending.unit, ending.lease, ending.state, ending.end
    at = now()
    session.run(
        statements.add_record,
        {
            "new_attempt": ending.attempt,
            "new_uid": unit.uid.hex() if unit else None,
            "new_profile": unit.profile if unit else None,
            "new_disposition": ending.disposition.value,
            "new_json": ending.record,
        },
    )
    session.run(statements.end_attempt, {"new_attempt": ending.attempt})
    if lease is not None and state in _SETTLING:
        values = {**of_lease(lease), "at": at, "by_attempt": ending.attempt}
        settled = session.run(_SETTLING[state], values).rowcount
        # A lease that ran out, of content that is somebody else's by now, has nothing to free.
        if not settled and state is not ContentState.FREE:
            raise LedgerError(
                f"container {lease.content.fesn} cannot become {state.value} for fob "
                f"{lease.unit.uid.hex().upper()}: the ledger has it otherwise; have the ledger "
                "checked before the next fob"
            )
    if lease is None and unit is not None and state is ContentState.FREE:
        session.run(statements.release_unit, {**of_unit(unit), "at": at})
    if end is not None:
        post(session, ending.source, end, at)


def _earlier(row: sqlite3.Row) -> Earlier | None:
    if row["diversification_data"] is None:
        return None  # burned by a version that did not write it down
    return Earlier(
        sequence_counter=row["sequence_counter"],
        key_diversification_data=bytes.fromhex(row["diversification_data"]),
        atr=bytes.fromhex(row["atr"]),
        begun=row["begun"],
        authenticated=row["authenticated"],
        recoverable=bool(row["recoverable"]),
    )
