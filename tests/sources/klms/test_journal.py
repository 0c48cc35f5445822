import os
from pathlib import Path

import pytest

from kfasync.errors import LedgerError
from kfasync.sources.klms import journal as module
from kfasync.sources.klms.journal import FILE_NAME, Fetch, FetchJournal

ONE, TWO = (Fetch(key, "04A1B2C3", "A000000857", "keyfob") for key in ("one", "two"))


def left(directory: Path) -> tuple[Fetch, ...]:
    """What the next run finds."""
    journal = FetchJournal.open(directory)
    journal.close()
    return journal.left


def test_what_is_begun_and_not_finished_is_left(tmp_path: Path) -> None:
    journal = FetchJournal.open(tmp_path)
    assert journal.left == ()
    journal.begin(ONE)
    journal.begin(TWO)
    journal.finish("one")
    # As a kill leaves it: nothing is closed, and everything is in the file.
    assert left(tmp_path) == (TWO,)
    assert left(tmp_path) == (TWO,)
    journal.close()
    journal.close()


def test_what_is_finished_twice_is_written_once(tmp_path: Path) -> None:
    journal = FetchJournal.open(tmp_path)
    journal.begin(ONE)
    journal.finish("one")
    size = (tmp_path / FILE_NAME).stat().st_size
    journal.finish("one")
    assert (tmp_path / FILE_NAME).stat().st_size == size
    journal.close()


@pytest.mark.parametrize("tail", [b'{"key":"tw', b"\xff\xfe\n", b"[]\n"])
def test_a_line_that_a_power_cut_left_half_written_is_passed_over(
    tmp_path: Path, tail: bytes
) -> None:
    journal = FetchJournal.open(tmp_path)
    journal.begin(ONE)
    journal.close()
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(tail)
    assert left(tmp_path) == (ONE,)


def test_it_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REWRITE_BYTES", 500)
    journal = FetchJournal.open(tmp_path)
    journal.begin(ONE)
    for number in range(100):
        journal.begin(Fetch(str(number), "04A1B2C3", "A000000857", "keyfob"))
        journal.finish(str(number))
    assert (tmp_path / FILE_NAME).stat().st_size < 1000
    assert left(tmp_path) == (ONE,)
    journal.close()


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    FetchJournal.open(tmp_path).close()
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


def test_a_journal_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be written"):
        FetchJournal.open(tmp_path / "none")
    journal = FetchJournal.open(tmp_path)
    os.close(journal._descriptor)
    with pytest.raises(LedgerError, match=FILE_NAME):
        journal.begin(ONE)
    journal._descriptor = -1
