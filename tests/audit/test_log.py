"""The audit log: a record for every attempt, whole after a crash, and nothing secret in it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfasync.audit.log import FILE_NAME, TAIL, AuditLog
from kfasync.errors import LedgerError
from kfasync.ledger.attempts import Ending
from kfasync.ledger.ledger import Ledger
from kfasync.model import Disposition


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path)
    yield opened
    opened.close()


def write(ledger: Ledger, *attempts: str) -> list[str]:
    """Records in the ledger, which the file has not got yet."""
    texts = [f'{{"attempt":"{attempt}"}}' for attempt in attempts]
    for attempt, text in zip(attempts, texts, strict=True):
        ledger.finish(Ending(attempt=attempt, record=text, disposition=Disposition.ERROR))
    return texts


def lines(directory: Path) -> list[str]:
    return (directory / FILE_NAME).read_text("utf-8").splitlines()


# -------------------------------------------------------------------------------- the file


def test_the_file_follows_the_ledger(tmp_path: Path, ledger: Ledger) -> None:
    log = AuditLog.open(tmp_path, ledger)
    assert not (tmp_path / FILE_NAME).exists()
    texts = write(ledger, "one")
    log.follow()
    assert lines(tmp_path) == texts
    texts += write(ledger, "two", "three")
    log.follow()
    log.follow()
    assert lines(tmp_path) == texts


@pytest.mark.parametrize(
    "left",
    [
        b'{"attempt":"one"}\n{"attempt":"two"}\n{"attempt":"three"}\n',
        b'{"attempt":"one"}\n{"attempt":"two"}\n{"atte',
        b'{"attempt":"one"}\n{"attempt":"two"}\n{"attempt":"three"}',
        b'{"attempt":"one"}\n',
        b'{"atte',
        b"",
        None,
    ],
    ids=["whole", "torn", "no-newline", "behind", "all-torn", "empty", "gone"],
)
def test_what_a_crash_left_is_completed(tmp_path: Path, ledger: Ledger, left: bytes | None) -> None:
    texts = write(ledger, "one", "two", "three")
    if left is not None:
        (tmp_path / FILE_NAME).write_bytes(left)
    log = AuditLog.open(tmp_path, ledger)
    assert lines(tmp_path) == texts
    texts += write(ledger, "four")
    log.follow()
    assert lines(tmp_path) == texts


@pytest.mark.parametrize(
    ("left", "sentence"),
    [
        (
            '{"attempt":"of another ledger"}\n',
            "record of another ledger, which the ledger beside it does not have.*take-over",
        ),
        ("not a record\n", "its last line is not a record; move the file away"),
        ('{"other":1}\n', "its last line is not a record"),
        ("5\n", "its last line is not a record"),
        ("x" * (TAIL + 1), "its last line is not a record"),
    ],
)
def test_the_file_of_somebody_else_is_refused_and_kept(
    tmp_path: Path, ledger: Ledger, left: str, sentence: str
) -> None:
    write(ledger, "one")
    (tmp_path / FILE_NAME).write_text(left)
    with pytest.raises(LedgerError, match=sentence):
        AuditLog.open(tmp_path, ledger)
    assert (tmp_path / FILE_NAME).read_text() == left


@pytest.mark.parametrize("target", ["/dev/full", "/"])
def test_a_file_that_cannot_be_written_is_a_ledger_error(
    tmp_path: Path, ledger: Ledger, target: str
) -> None:
    log = AuditLog.open(tmp_path, ledger)
    texts = write(ledger, "one")
    (tmp_path / FILE_NAME).symlink_to(target)
    with pytest.raises(LedgerError, match=r"audit\.jsonl cannot be written"):
        log.follow()
    (tmp_path / FILE_NAME).unlink()
    log.follow()
    assert lines(tmp_path) == texts


def test_what_the_file_could_not_take_goes_before_the_next_record(
    tmp_path: Path, ledger: Ledger
) -> None:
    log = AuditLog.open(tmp_path, ledger)
    texts = write(ledger, "one")
    log.follow()
    (tmp_path / FILE_NAME).rename(tmp_path / "aside")
    (tmp_path / FILE_NAME).mkdir()
    texts += write(ledger, "two")
    with pytest.raises(LedgerError, match="cannot be written"):
        log.follow()
    (tmp_path / FILE_NAME).rmdir()
    (tmp_path / "aside").rename(tmp_path / FILE_NAME)
    texts += write(ledger, "three")
    log.follow()
    assert lines(tmp_path) == texts


FULL_DISK = """
import pathlib, resource, signal, sys
from kfasync.errors import LedgerError
from kfasync.audit.log import FILE_NAME, AuditLog
from kfasync.ledger.ledger import StoredRecord

class Records:
    def records_after(self, number):
        yield StoredRecord(1, '{"attempt":"one"}')
        yield StoredRecord(2, '{"attempt":"two","filler":"%s"}' % ("x" * 400))

log = AuditLog(pathlib.Path(sys.argv[1]) / FILE_NAME, Records())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in (100, 1000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        log.follow()
    except LedgerError as error:
        print(error)
"""


def test_a_disk_that_fills_in_the_middle_of_a_line_leaves_no_half_of_it(tmp_path: Path) -> None:
    # In a process of its own, because the limit that stands for a full disk is a process's.
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("cannot be written") == 1
    written = [json.loads(line)["attempt"] for line in lines(tmp_path)]
    assert written == ["one", "two"]
