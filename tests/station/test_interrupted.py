"""An attempt that was killed gets its record at the next start."""

from pathlib import Path

import msgspec
import pytest

from kfasync.ledger.attempts import Begun
from kfasync.ledger.ledger import Ledger
from kfasync.model import ContentState, Mark
from kfasync.station.interrupted import end_interrupted
from tests.station.desks import content, digests, lease, sql, unit

WHEN = "2026-01-01T00:00:00.000000+00:00"


LATER = "2026-01-01T00:00:00.001000+00:00"


def begin(ledger: Ledger, number: int, started: str = WHEN) -> None:
    ledger.begin(
        Begun(attempt=f"attempt {number}", unit=unit(number), slot=3, reader="A", started=started)
    )


def adopt(ledger: Ledger, number: int) -> None:
    ledger.adopt(
        unit(number), "fence", content(number), digests(number), pool="pool", lease_id="lease"
    )


def restarted(directory: Path, ledger: Ledger) -> Ledger:
    """As the next process finds it; a killed one leaves no more than a closed one."""
    ledger.close()
    return Ledger.open(directory)


def test_content_that_was_only_claimed_is_free_with_the_record(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    ledger.offer([content(1)])
    begin(ledger, 1)
    ledger.claim(unit(1))
    ledger = restarted(tmp_path, ledger)
    assert ledger.counts()[ContentState.RESERVED] == 1
    (record,) = end_interrupted(ledger, "EOL-01")
    assert (record.attempt, record.fesn, record.started) == ("attempt 1", content(1).fesn, WHEN)
    assert "nothing was written to the fob" in record.message
    assert ledger.counts()[ContentState.FREE] == 1
    assert [one.text for one in ledger.records_after(0)] == [record.json()]
    assert end_interrupted(ledger, "EOL-01") == []
    ledger.close()


@pytest.mark.parametrize(
    ("marks", "sentence", "touched"),
    [
        ((Mark.BURNED,), "a part of container 1KM00001 may be on the fob", "partial"),
        ((Mark.BURNED, Mark.LAST_SENT), "only the fob knows", "unknown"),
    ],
)
def test_burned_content_stays_its_units_and_its_lease_is_over(
    tmp_path: Path, marks: tuple[Mark, ...], sentence: str, touched: str
) -> None:
    ledger = Ledger.open(tmp_path)
    begin(ledger, 1)
    adopt(ledger, 1)
    for mark in marks:
        ledger.mark(lease("fence", unit(1), content(1)), mark)
    ledger = restarted(tmp_path, ledger)
    (record,) = end_interrupted(ledger, "EOL-01")
    assert sentence in record.message
    assert "the same fob again" in record.operator_action
    assert ledger.counts()[ContentState.BURNED] == 1
    told = sql(tmp_path, "SELECT source, uid, lease_id, end, touched FROM outbox")
    assert told == [("pool", unit(1).uid.hex(), "lease", "abort", touched)]
    ledger.close()


def test_a_lease_that_an_earlier_attempt_has_ended_is_not_ended_again(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    adopt(ledger, 1)
    ledger.mark(lease("fence", unit(1), content(1)), Mark.BURNED)
    # Killed before it had a lease of its own.
    sql(tmp_path, f"UPDATE content SET changed_at = '{WHEN[:20]}000+00:00'")
    begin(ledger, 1, LATER)
    ledger = restarted(tmp_path, ledger)
    (record,) = end_interrupted(ledger, "EOL-01")
    assert record.fesn == content(1).fesn
    assert sql(tmp_path, "SELECT * FROM outbox") == []
    ledger.close()


def test_a_source_hears_of_a_lease_that_came_to_nothing(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    begin(ledger, 1)
    adopt(ledger, 1)
    ledger = restarted(tmp_path, ledger)
    end_interrupted(ledger, "EOL-01")
    told = sql(tmp_path, "SELECT source, uid, lease_id, end, touched FROM outbox")
    assert told == [("pool", unit(1).uid.hex(), "lease", "abort", "none")]
    ledger.close()


def test_an_attempt_without_content_has_its_record_too(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    begin(ledger, 1)
    ledger = restarted(tmp_path, ledger)
    (record,) = end_interrupted(ledger, "EOL-01")
    assert record.fesn is None
    stored = msgspec.json.decode(record.json())
    assert (stored["disposition"], stored["outcome"]) == ("interrupted", "incomplete")
    assert (stored["uid"], stored["aid"]) == (unit(1).uid.hex().upper(), "A000000857")
    ledger.close()
