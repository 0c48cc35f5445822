"""The past of a ledger, read beside the station that writes it."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kfasync.errors import LedgerError
from kfasync.ledger.attempts import Ending
from kfasync.ledger.history import Count, End, History, Line
from kfasync.ledger.ledger import FILE_NAME, Ledger
from kfasync.model import Disposition
from tests.station.desks import sql

PASS, FAIL, BOUND = Disposition.PASS, Disposition.FAIL, Disposition.BOUND


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def history(ledger: Ledger, tmp_path: Path) -> Iterator[History]:
    opened = History.open(tmp_path / FILE_NAME)
    yield opened
    opened.close()


def write(ledger: Ledger, number: int, disposition: Disposition = PASS, **said: Any) -> None:
    """A record as far as it is summed up; a minute after the one before."""
    values = {
        "attempt": f"a{number}",
        "finished": f"2026-03-01T{number // 60:02}:{number % 60:02}:00.000000+00:00",
        "slot": 1 + number % 4,
        "uid": f"04AB{number:010X}",
        "fesn": f"1KM0{number:04X}",
        "cause": disposition.value,
        "sw": None,
    } | said
    ledger.finish(Ending(attempt=f"a{number}", record=json.dumps(values), disposition=disposition))


def test_the_newest_come_first_page_by_page(ledger: Ledger, history: History) -> None:
    for number in range(7):
        write(ledger, number)
    pages, before = [], None
    while page := history.lines(before=before, most=3):
        pages.append([line.number for line in page])
        before = page[-1].number
    assert pages == [[7, 6, 5], [4, 3, 2], [1]]
    (line,) = history.lines(most=1)
    assert line == Line(
        7, "2026-03-01T00:06:00.000000+00:00", 3, "04AB0000000006", "1KM00006", "pass", "pass", None
    )


def test_a_fob_is_found_by_how_its_uid_or_its_fesn_begins(ledger: Ledger, history: History) -> None:
    for number in range(20):
        write(ledger, number)
    assert [one.fesn for one in history.lines(search="04AB0000000003", most=5)] == ["1KM00003"]
    assert [one.number for one in history.lines(search="1KM0001", most=9)] == [20, 19, 18, 17]
    assert [one.number for one in history.lines(search="1KM0001", before=19, most=1)] == [18]
    for nothing in ("04AC", "KM", "%", "_", "04ab", "1KM00003 ", "' OR 1 --"):
        assert history.lines(search=nothing, most=5) == []


def test_ends_are_counted_by_cause_since_a_moment(ledger: Ledger, history: History) -> None:
    write(ledger, 1, FAIL, cause="MEMORY_FAILURE", sw="6581")
    for number in (2, 3):
        write(ledger, number)
    write(ledger, 4, BOUND, cause="torn")
    # A person's decision is in the history, and is no end of an attempt.
    ledger.note("d", "resumed", '{"finished": "2026-03-01T00:05:00.000000+00:00", "slot": 2}')
    assert history.counts("2026-03-01T00:02") == [
        Count("pass", "pass", None, 2),
        Count("bound", "torn", None, 1),
    ]
    assert history.counts("")[1:] == [
        Count("bound", "torn", None, 1),
        Count("fail", "MEMORY_FAILURE", "6581", 1),
    ]
    assert [one.disposition for one in history.ends("2026-03-01T00:03")] == ["pass", "bound"]
    assert history.last(1) == [End("2026-03-01T00:04:00.000000+00:00", "bound")]
    assert [one.disposition for one in history.last(9)] == ["fail", "pass", "pass", "bound"]
    assert [one.disposition for one in history.lines(most=1)] == ["resumed"]


def test_a_record_is_read_by_its_number(ledger: Ledger, history: History) -> None:
    write(ledger, 1, FAIL)
    write(ledger, 2)
    assert json.loads(history.record(2) or "")["uid"] == "04AB0000000002"
    assert history.record(3) is None
    assert [json.loads(text)["attempt"] for text in history.passed(5)] == ["a2"]


def test_it_uses_an_index_for_every_question(tmp_path: Path, ledger: Ledger) -> None:
    # A hundred thousand records are looked at in milliseconds, or the page is of no use.
    asked: list[str] = []
    opened = History.open(tmp_path / FILE_NAME)
    opened._connection.set_trace_callback(asked.append)
    opened.lines(most=50)
    opened.lines(search="04AB", before=7, most=50)
    opened.counts("2026")
    opened.ends("2026")
    opened.record(5)
    opened.close()
    assert len(asked) == 5
    for statement in asked:
        plan = [row[-1] for row in sql(tmp_path, f"EXPLAIN QUERY PLAN {statement}")]
        assert not [step for step in plan if step.startswith("SCAN")], plan


def test_nothing_can_be_written_by_it(history: History) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        history._connection.execute("DELETE FROM summary")


def test_a_ledger_that_is_away_or_of_another_version_is_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"none\.sqlite3 cannot be read: unable to open"):
        History.open(tmp_path / "none.sqlite3")
    (tmp_path / "text").write_text("no database at all, though it is long enough for one" * 20)
    with pytest.raises(LedgerError, match="text cannot be read: file is not a database"):
        History.open(tmp_path / "text")
    Ledger.open(tmp_path).close()
    sql(tmp_path, "PRAGMA user_version = 3")
    with pytest.raises(LedgerError, match="has schema 3 and not"):
        History.open(tmp_path / FILE_NAME)
