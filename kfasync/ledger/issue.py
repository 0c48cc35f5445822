"""Whether content may be issued to a unit, and what to say when it must not be."""

import sqlite3

from kfasync.errors import LeaseExpiredError, SourceError
from kfasync.ledger import statements
from kfasync.ledger.sqlite import Session
from kfasync.model import Content, ContentState, Fingerprint, Unit


def identify(
    session: Session, unit: Unit, fence: str, content: Content, fingerprint: Fingerprint
) -> str | None:
    """Write down what content is; the reason why it must not be issued, if there is one."""
    values = {
        "of_fesn": content.fesn,
        "of_spid": content.spid,
        "of_lease_id": fence,
        "of_uid": unit.uid.hex(),
        "new_key": fingerprint.key,
        "new_irk": fingerprint.irk,
        "new_items": fingerprint.items,
    }
    if session.run(statements.identify, values).rowcount:
        return None
    own = session.run(statements.holder, values).fetchone()
    if own is None or own["lease_id"] != fence:
        raise taken_over(content)
    burned = own["state"] == ContentState.BURNED.value
    if burned and own["items_digest"] not in (None, fingerprint.items):
        raise SourceError(
            f"container {content.fesn} is not what fob {unit.uid.hex().upper()} was written with: "
            "it has changed under its name; put the original back and place the fob again"
        )
    twin = session.run(statements.twin, values).fetchone()
    same = [
        word
        for word, mine, theirs in (
            ("key", fingerprint.key, twin["key_digest"]),
            ("SPID", content.spid.upper(), twin["spid"].upper()),
            ("IRK", fingerprint.irk, twin["irk_digest"]),
        )
        if mine == theirs
    ]
    reason = (
        f"container {content.fesn} has the {' and '.join(same)} of container {twin['fesn']}, "
        f"which is fob {twin['uid'].upper()}'s"
    )
    if burned:
        raise SourceError(f"{reason}; have both fobs checked")
    return reason


def taken_over(content: Content) -> LeaseExpiredError:
    """What to say to an attempt whose content has another lease by now."""
    return LeaseExpiredError(
        f"container {content.fesn} is no longer leased to this attempt; place the fob again"
    )


def issued_twice(unit: Unit, content: Content, holder: sqlite3.Row | None) -> SourceError:
    """What to say of content that must not go to this unit; ``holder`` is its row, if any."""
    uid = unit.uid.hex().upper()
    if holder is None or holder["uid"] is None:
        what = f"fob {uid} was leased container {content.fesn} and has been written with another"
    elif holder["spid"] != content.spid:
        what = f"FESN {content.fesn} was leased to fob {uid} and has been issued with another SPID"
    else:
        what = (
            f"container {content.fesn} was leased to fob {uid} and is fob "
            f"{holder['uid'].upper()}'s ({holder['state']})"
        )
    return SourceError(
        f"{what}: the source issues twice, and nothing was sent to the fob; have the source checked"
    )
