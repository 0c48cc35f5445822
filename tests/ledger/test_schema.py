"""What the database itself refuses, and the files of earlier versions."""

import re
import sqlite3
from pathlib import Path

import pytest

from kfasync.errors import LedgerError
from kfasync.ledger.ledger import FILE_NAME, Ledger
from kfasync.ledger.schema import SCHEMA_VERSION
from kfasync.model import ContentState, Disposition
from tests.station.desks import content, floor, furnish, sql, uid, unit

STATES = [state.value for state in ContentState]
ONWARDS = {
    ("FREE", "RESERVED"),
    ("RESERVED", "FREE"),
    ("RESERVED", "BURNED"),
    ("BURNED", "CONSUMED"),
    ("BURNED", "QUARANTINED"),
}


def in_state(directory: Path, state: str) -> None:
    """One content in that state, brought there step by step."""
    ledger = Ledger.open(directory)
    ledger.offer([content(1)])
    ledger.close()
    way = {
        "FREE": [],
        "RESERVED": ["RESERVED"],
        "BURNED": ["RESERVED", "BURNED"],
        "CONSUMED": ["RESERVED", "BURNED", "CONSUMED"],
        "QUARANTINED": ["RESERVED", "BURNED", "QUARANTINED"],
    }[state]
    for step in way:
        change(directory, step)


def change(directory: Path, state: str) -> None:
    unit_of = "NULL" if state == "FREE" else "'04'"
    sql(directory, f"UPDATE content SET state = '{state}', uid = {unit_of}, aid = 'a0'")


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_content_goes_onwards_only(tmp_path: Path, before: str, after: str) -> None:
    in_state(tmp_path, before)
    if before == after or (before, after) in ONWARDS:
        change(tmp_path, after)
        assert sql(tmp_path, "SELECT state FROM content") == [(after,)]
        return
    with pytest.raises(sqlite3.IntegrityError):
        change(tmp_path, after)
    assert sql(tmp_path, "SELECT state FROM content") == [(before,)]


@pytest.mark.parametrize("state", ["BURNED", "CONSUMED", "QUARANTINED"])
@pytest.mark.parametrize(
    "values", ["uid = '05'", "uid = NULL", "aid = 'a1'", "fesn = 'other'", "spid = 'other'"]
)
def test_burned_content_belongs_to_its_unit_for_ever(
    tmp_path: Path, state: str, values: str
) -> None:
    in_state(tmp_path, state)
    with pytest.raises(sqlite3.IntegrityError, match="for ever"):
        sql(tmp_path, f"UPDATE content SET {values}")


@pytest.mark.parametrize("state", STATES[1:])
def test_content_that_was_issued_is_never_forgotten(tmp_path: Path, state: str) -> None:
    in_state(tmp_path, state)
    with pytest.raises(sqlite3.IntegrityError, match="never forgotten"):
        sql(tmp_path, "DELETE FROM content")


def test_no_change_is_made_without_its_line_in_the_journal(tmp_path: Path) -> None:
    in_state(tmp_path, "QUARANTINED")
    events = sql(tmp_path, "SELECT event FROM journal ORDER BY id")
    assert [event for (event,) in events] == ["burned", "burned", "quarantined"]


# ------------------------------------------------------------------- files of earlier versions


def version_0_1(directory: Path) -> None:
    """A ledger that kfasync 0.1 wrote: a fob in each state, and one killed before it burned."""
    directory.mkdir()
    connection = sqlite3.connect(directory / FILE_NAME)
    connection.executescript(Path(__file__).with_name("ledger-0.1.sql").read_text("utf-8"))
    connection.close()


@pytest.mark.anyio
async def test_a_ledger_of_0_1_opens_and_goes_on(tmp_path: Path) -> None:
    loaded = furnish(tmp_path, containers=8)
    version_0_1(tmp_path / "var")
    for fesn, spid in sql(tmp_path / "var", "SELECT fesn, spid FROM content"):
        (container,) = (tmp_path / "containers").glob(f"{fesn}-*")
        container.rename(container.with_name(f"{fesn}-{spid}"))
    before = sql(tmp_path / "var", "SELECT json FROM record ORDER BY id")
    async with floor(loaded) as place:
        assert [left.uid for left in place.desk.ledger.unfinished()] == [
            uid(2).hex().upper(),
            uid(3).hex().upper(),
        ]
        assert place.counts() == {"FREE": 4, "BURNED": 2, "CONSUMED": 1, "QUARANTINED": 1}
        ends = [await place.serve("A", place.fobs.make()) for _ in range(6)]
    assert [record.disposition for record in ends] == [
        Disposition.ALREADY_PROVISIONED.value,
        Disposition.PASS.value,
        Disposition.PASS.value,
        Disposition.FAIL.value,
        Disposition.PASS.value,
        Disposition.PASS.value,
    ]
    assert [record.fesn for record in ends[1:3]] == ["1KM0001F", "1KM00020"]
    records = sql(tmp_path / "var", "SELECT json FROM record ORDER BY id")
    assert records[: len(before)] == before
    lines = (tmp_path / "var" / "audit.jsonl").read_text().splitlines()
    assert lines == [text for (text,) in records]
    assert sql(tmp_path / "var", "PRAGMA user_version") == [(SCHEMA_VERSION,)]


def layout(directory: Path) -> list[str]:
    """Columns of the tables, and the text of indexes and triggers."""
    named = "FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND type"
    found = [str(row) for row in sql(directory, f"SELECT name, sql {named} <> 'table'")]
    for (table,) in sql(directory, f"SELECT name {named} = 'table'"):
        # Without their place: a column that came later stands behind the others.
        found += [f"{table} {row[1:]}" for row in sql(directory, f"PRAGMA table_info({table})")]
    return sorted(re.sub(r"\s+", " ", text) for text in found)


def test_an_spid_that_0_1_issued_twice_is_told(tmp_path: Path) -> None:
    version_0_1(tmp_path / "old")
    spid = "SELECT spid FROM content WHERE fesn = '1KM0001E'"
    sql(tmp_path / "old", f"UPDATE content SET spid = lower(({spid})) WHERE fesn = '1KM0001F'")
    with pytest.raises(LedgerError, match="containers 1KM0001E and 1KM0001F have one SPID"):
        Ledger.open(tmp_path / "old")
    assert sql(tmp_path / "old", "PRAGMA user_version") == [(1,)]


def test_a_migrated_file_is_made_as_a_new_one(tmp_path: Path) -> None:
    version_0_1(tmp_path / "old")
    for name in ("old", "new"):
        Ledger.open(tmp_path / name).close()
    old, new = (layout(tmp_path / name) for name in ("old", "new"))
    assert old == new
    assert len(new) > 10
    (records,) = sql(tmp_path / "old", "SELECT id, disposition FROM record")[:1]
    assert sql(tmp_path / "old", "SELECT id, disposition FROM summary")[0] == records
    Ledger.open(tmp_path / "old").standing(unit(9))
