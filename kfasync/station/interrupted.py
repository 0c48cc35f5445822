"""Attempts that were killed in the middle: each gets its record at the next start."""

import hashlib

from kfasync import __version__
from kfasync.audit.record import Interruption, now
from kfasync.contracts.sources import End, EndKind
from kfasync.ledger.attempts import Ending, Interrupted
from kfasync.ledger.ledger import Ledger
from kfasync.model import ContentState, Disposition, Outcome, Touched, Unit

KILLED = "the station ended in the middle of this attempt"
UNWRITTEN = "the ledger could not be written at the end of this attempt"


def end_interrupted(
    ledger: Ledger, station: str, unit: Unit | None = None, why: str = KILLED
) -> list[Interruption]:
    """End what has begun and never ended; before a lane begins, or on one unit that is held.

    Content that was only reserved is free again. A source that has leased content is told that the
    lease is over, and how far the fob was written.
    """
    return [
        _end(ledger, station, one, why)
        for one in ledger.interrupted()
        if unit is None or (one.begun.unit.uid, one.begun.unit.aid) == (unit.uid, unit.aid)
    ]


def _end(ledger: Ledger, station: str, one: Interrupted, ended: str) -> Interruption:
    begun, content = one.begun, one.content
    message, action = _advice(one, ended)
    record = Interruption(
        attempt=begun.attempt,
        station=station,
        software=__version__,
        slot=begun.slot,
        reader=begun.reader,
        started=begun.started,
        finished=now(),
        uid=begun.unit.uid.hex().upper(),
        aid=begun.unit.aid.hex().upper(),
        atr=begun.unit.atr.hex().upper(),
        profile=begun.unit.profile,
        fesn=content.fesn if content else None,
        spid=content.spid if content else None,
        message=message,
        operator_action=action,
    )
    text = record.json()
    reserved = one.state is ContentState.RESERVED
    ledger.finish(
        Ending(
            attempt=begun.attempt,
            record=text,
            disposition=Disposition.INTERRUPTED,
            unit=begun.unit,
            state=ContentState.FREE if reserved else None,
            source=one.source,
            end=_handed_back(one, text) if one.source and one.lease_id else None,
        )
    )
    return record


def _handed_back(one: Interrupted, text: str) -> End:
    return End(
        uid=one.begun.unit.uid,
        lease_id=one.lease_id,
        kind=EndKind.ABORT,
        outcome=Outcome.INCOMPLETE,
        touched=_touched(one),
        record_sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def _touched(one: Interrupted) -> Touched:
    if one.state is not ContentState.BURNED:
        return Touched.NONE
    return Touched.UNKNOWN if one.last_sent else Touched.PARTIAL


def _advice(one: Interrupted, ended: str) -> tuple[str, str]:
    """What happened, and what is to be done with the fob."""
    if one.state is not ContentState.BURNED or one.content is None:
        return f"{ended}; nothing was written to the fob", "Place the fob again, or another one."
    fesn = one.content.fesn
    if one.last_sent:
        return (
            f"{ended}; whether container {fesn} is whole on the fob, only the fob knows",
            "Place the same fob again: only the fob knows whether it is done.",
        )
    return (
        f"{ended}; a part of container {fesn} may be on the fob",
        "Place the same fob again: its content belongs to it and to no other.",
    )
