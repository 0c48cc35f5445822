"""The auditor finds what is planted in the books of a day that was all right."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.soak.auditor import Books, audit
from tests.soak.day import Day
from tests.soak.plan import draw

FOBS, LANES, SEED = 24, 4, 5


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Books:
    day = Day(draw(SEED, FOBS, LANES, ()), tmp_path_factory.mktemp("day"), "asyncio")
    day.run()
    return day.books()


@pytest.fixture
def books(honest: Books, tmp_path: Path) -> Books:
    """A copy, in which no trigger keeps anybody from lying."""
    copy = Books(*(tmp_path / Path(name).name for name in vars(honest).values()))
    for name, path in vars(honest).items():
        shutil.copy(path, getattr(copy, name))
    for path in (copy.pool, copy.ledger):
        for (trigger,) in change(path, "SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            change(path, f"DROP TRIGGER {trigger}")
    return copy


def change(path: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = connection.execute(statement, values).fetchall()
        assert rows or connection.total_changes or not statement.startswith(("UPDATE", "DELETE"))
        return rows


def edit(books: Books, lie: Callable[[dict[str, Any]], None]) -> None:
    evidence = json.loads(books.evidence.read_text("utf-8"))
    lie(evidence)
    books.evidence.write_text(json.dumps(evidence), "utf-8")


def passed(evidence: dict[str, Any]) -> list[dict[str, Any]]:
    return [fob for fob in evidence["fobs"] if fob["shown"] == ["pass"]]


def record(books: Books, disposition: str) -> tuple[str, dict[str, Any]]:
    """The first that ended so, and its attempt."""
    statement = "SELECT attempt, json FROM record WHERE disposition = ? ORDER BY id"
    attempt, text = change(books.ledger, statement, disposition)[0]
    return attempt, json.loads(text)


def rewrite(books: Books, attempt: str, said: dict[str, Any]) -> None:
    """Change a record in the ledger and in the audit log alike."""
    text = json.dumps(said, separators=(",", ":"))
    statement = "UPDATE record SET json = ?, disposition = ? WHERE attempt = ?"
    change(books.ledger, statement, text, said["disposition"], attempt)
    lines = books.audit.read_text("utf-8").splitlines()
    lines = [text if json.loads(line)["attempt"] == attempt else line for line in lines]
    books.audit.write_text("".join(f"{line}\n" for line in lines), "utf-8")


# ------------------------------------------------------------------------------------ the lies


def a_record_changed_in_the_ledger(books: Books) -> None:
    change(books.ledger, "UPDATE record SET json = replace(json, 'EOL-01', 'EOL-02') WHERE id = 3")


def a_record_changed_in_the_audit_log(books: Books) -> None:
    text = books.audit.read_text("utf-8")
    books.audit.write_text(text.replace('"slot":1', '"slot":2', 1), "utf-8")


def a_record_changed_in_both(books: Books) -> None:
    attempt, said = record(books, "pass")
    rewrite(books, attempt, said | {"reader": "another"})


def a_pass_that_was_none(books: Books) -> None:
    attempt, said = record(books, "fail")
    rewrite(books, attempt, said | {"disposition": "pass", "outcome": "pass"})


def a_pass_with_the_content_of_another(books: Books) -> None:
    attempt, said = record(books, "pass")
    other = change(books.ledger, "SELECT spid FROM content WHERE spid <> ?", said["spid"])[0][0]
    rewrite(books, attempt, said | {"spid": other})


def a_pass_of_a_fob_that_is_empty(books: Books) -> None:
    edit(books, lambda said: passed(said)[0].update(state="unpersonalized"))


def a_pass_with_one_transport(books: Books) -> None:
    edit(books, lambda said: passed(said)[0].update(transports=1))


def a_pass_that_nobody_recorded(books: Books) -> None:
    shown = {"attempt": "none", "uid": "04", "disposition": "pass"}
    edit(books, lambda said: said["results"].append(shown))


def a_record_missing(books: Books) -> None:
    attempt, _ = record(books, "pass")
    change(books.ledger, "DELETE FROM record WHERE attempt = ?", attempt)
    lines = books.audit.read_text("utf-8").splitlines()
    kept = [f"{line}\n" for line in lines if json.loads(line)["attempt"] != attempt]
    books.audit.write_text("".join(kept), "utf-8")


def an_attempt_that_never_ended(books: Books) -> None:
    row = ("1", "04", "00", "", "", 1, "", "")
    change(books.ledger, "INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *row)


def a_content_twice(books: Books) -> None:
    def lie(said: dict[str, Any]) -> None:
        one, other, *_ = passed(said)
        other.update(spid=one["spid"], certificate=one["certificate"])

    edit(books, lie)


def an_irk_twice(books: Books) -> None:
    def lie(said: dict[str, Any]) -> None:
        one, other, *_ = passed(said)
        other.update(irk_sha256=one["irk_sha256"])

    edit(books, lie)


def a_content_burned_for_two(books: Books) -> None:
    change(
        books.ledger,
        "INSERT INTO journal (at, fesn, uid, event) SELECT at, fesn, '04', event FROM journal"
        " WHERE event = 'burned' LIMIT 1",
    )


def a_fob_written_twice(books: Books) -> None:
    edit(books, lambda said: passed(said)[0].update(personalizations=2))


def a_unit_with_two_contents(books: Books) -> None:
    change(
        books.pool,
        "UPDATE content SET state = 'leased', aid = 'another',"
        " uid = (SELECT uid FROM content WHERE state = 'consumed' LIMIT 1)"
        " WHERE number = (SELECT number FROM content WHERE state = 'free' LIMIT 1)",
    )


def a_lease_open(books: Books) -> None:
    change(books.pool, "UPDATE lease SET ended = NULL, word = NULL WHERE number = 2")


def content_that_is_still_bound(books: Books) -> None:
    change(
        books.pool,
        "UPDATE content SET state = 'leased' WHERE number ="
        " (SELECT number FROM content WHERE state = 'consumed' LIMIT 1)",
    )


def an_end_untold(books: Books) -> None:
    change(
        books.ledger,
        'INSERT INTO outbox (source, uid, lease_id, "end", outcome, touched, record_sha256,'
        " created_at) VALUES ('', '04', '', 'commit', 'pass', 'partial', '', '')",
    )


def content_of_nobody(books: Books) -> None:
    change(
        books.pool,
        "UPDATE content SET state = 'consumed', uid = '04', aid = 'A0' WHERE number ="
        " (SELECT number FROM content WHERE state = 'free' LIMIT 1)",
    )


def another_certificate(books: Books) -> None:
    edit(books, lambda said: passed(said)[0].update(certificate="00"))


def sizes(**last: int) -> Callable[[Books], None]:
    """A run of a thousand results, at whose end the station is that much larger."""
    size = {"run": 9, "rss_kb": 100_000, "threads": 20, "files": 40}
    grown = size | {name: size[name] + more for name, more in last.items()}
    run = [size | {"results": count} for count in range(0, 1000, 100)] + [grown | {"results": 1000}]

    def lie(books: Books) -> None:
        edit(books, lambda said: said["sizes"].extend(run))

    return lie


LIES = {
    "records changed": (
        a_record_changed_in_the_ledger,
        a_record_changed_in_the_audit_log,
        a_record_changed_in_both,
    ),
    "passed wrongly": (
        a_pass_that_was_none,
        a_pass_with_the_content_of_another,
        a_pass_of_a_fob_that_is_empty,
        a_pass_with_one_transport,
        a_pass_that_nobody_recorded,
    ),
    "attempts without a record": (a_record_missing, an_attempt_that_never_ended),
    "content on two fobs": (a_content_twice, an_irk_twice, a_content_burned_for_two),
    "fobs with two contents": (a_fob_written_twice, a_unit_with_two_contents),
    "leases open": (a_lease_open, content_that_is_still_bound),
    "outbox": (an_end_untold,),
    "content astray": (content_of_nobody, another_certificate),
    "memory, threads, files": (sizes(rss_kb=50_000), sizes(threads=5), sizes(files=5)),
}


def test_an_honest_day_is_one(honest: Books, books: Books) -> None:
    report = audit(honest)
    assert report.violations == 0, report.table()
    assert report.never_came_back
    assert audit(books).found == report.found


@pytest.mark.parametrize(
    ("rule", "lie"),
    [(rule, lie) for rule, lies in LIES.items() for lie in lies],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_lie_is_found(books: Books, rule: str, lie: Callable[[Books], None]) -> None:
    lie(books)
    report = audit(books)
    assert report.found[rule], report.table()


def test_a_station_that_stays_as_it_is_does_not_grow(books: Books) -> None:
    sizes()(books)
    assert audit(books).violations == 0


def test_the_auditor_shares_no_code_with_the_station() -> None:
    source = Path(audit.__code__.co_filename).read_text("utf-8")
    assert "import kfasync" not in source
    assert "from kfasync" not in source
    assert "from tests" not in source
