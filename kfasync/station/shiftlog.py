"""The check list as a record: which check was red, when, and what brought it about."""

import uuid

from kfasync import __version__
from kfasync.audit.record import CheckLine, ShiftCheck, now
from kfasync.station.batch import CheckState, sentence
from kfasync.station.desk import Desk

CHECKED, RED = "checked", "red"


def note(desk: Desk, by: str) -> ShiftCheck:
    """Write down how the list stands; blocks.

    Raises:
        LedgerError: it cannot be written.
    """
    checks = desk.batch.checks()
    open_ones = [one for one in checks if one.state is not CheckState.GOOD]
    record = ShiftCheck(
        attempt=uuid.uuid4().hex,
        station=desk.station,
        software=__version__,
        finished=now(),
        config_sha256=desk.config_sha256,
        provider_sha256=desk.source.facts.sha256,
        checks=tuple(CheckLine(one.name, one.state.value, one.said) for one in checks),
        disposition=RED if open_ones else CHECKED,
        by=by,
        message=sentence(open_ones),
    )
    desk.ledger.note(record.attempt, record.disposition, record.json())
    return record
