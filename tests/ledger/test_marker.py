"""What the marker in a pool says, and when it is written."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kfasync.errors import LedgerError
from kfasync.ledger.attempts import Ending
from kfasync.ledger.ledger import Ledger
from kfasync.ledger.marker import FILE_NAME, Tie, read, require_ledger
from kfasync.model import Disposition


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    path = tmp_path / "pool"
    path.mkdir()
    return path


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "var")
    yield opened
    opened.close()


def add_record(ledger: Ledger, name: str) -> None:
    ledger.finish(Ending(attempt=name, record="{}", disposition=Disposition.ERROR))


def tied(pool: Path, ledger: Ledger) -> Tie:
    return Tie.make(pool, pool.with_name("var"), ledger)


def test_a_pool_that_nobody_has_issued_from_has_no_marker(pool: Path, tmp_path: Path) -> None:
    assert read(pool) is None
    require_ledger(pool, tmp_path / "var")
    require_ledger(tmp_path / "no such directory", tmp_path / "var")


def test_the_marker_counts_records_while_the_station_runs(pool: Path, ledger: Ledger) -> None:
    tie = tied(pool, ledger)
    first = read(pool)
    assert first is not None
    assert (first.ledger, first.starts, first.records) == (ledger.identity, 1, 0)
    assert 0 < tie.wait_s() <= 5.0
    before = (pool / FILE_NAME).stat().st_mtime_ns
    tie.follow()
    assert (pool / FILE_NAME).stat().st_mtime_ns == before
    add_record(ledger, "one")
    tie.follow()
    assert (read(pool) or first).records == 1
    add_record(ledger, "two")
    tie.close()
    assert (read(pool) or first).records == 2
    assert [path.name for path in pool.iterdir()] == [FILE_NAME]


def test_what_has_seen_more_records_than_the_ledger_knows_is_refused(
    pool: Path, ledger: Ledger, tmp_path: Path
) -> None:
    add_record(ledger, "one")
    tied(pool, ledger)
    text = (pool / FILE_NAME).read_text("utf-8")
    (pool / FILE_NAME).write_text(text.replace('"records": 1', '"records": 2'), "utf-8")
    with pytest.raises(LedgerError, match="1 starts and 2 records of it, and it knows 1 and 1"):
        tied(pool, ledger)
    assert ledger.starts == 1  # a start that was refused is none


def test_a_pool_that_another_took_at_the_same_time_is_refused(pool: Path, ledger: Ledger) -> None:
    class Late(Tie):
        """Looks at the pool, and writes when somebody else has written."""

        def _write(self, *, anew: bool) -> None:
            (pool / FILE_NAME).write_text("another's", "utf-8")
            super()._write(anew=anew)

    with pytest.raises(LedgerError, match="has just been taken by another ledger"):
        Late.make(pool, pool.with_name("var"), ledger)
    assert (pool / FILE_NAME).read_text("utf-8") == "another's"
    assert [path.name for path in pool.iterdir()] == [FILE_NAME]


def test_a_pool_that_is_gone_is_a_sentence(pool: Path, ledger: Ledger) -> None:
    tie = tied(pool, ledger)
    add_record(ledger, "one")
    pool.rename(pool.with_name("elsewhere"))
    with pytest.raises(LedgerError, match="cannot be written"):
        tie.follow()
    with pytest.raises(LedgerError, match="cannot be written"):
        Tie.take_over(pool, pool.with_name("var"), ledger)
    tie.close()
