"""The audit log: one record for every attempt, as JSON lines.

The ledger keeps each record in the transaction of its outcome, and the file follows the ledger
from its own mark: a file that cannot be written falls behind and stops no fob, and a file that
is gone is written again.
"""

import datetime
import errno
import json
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self

from kfasync.errors import LedgerError
from kfasync.ledger.ledger import StoredRecord
from kfasync.ledger.marker import TAKE_OVER

FILE_NAME = "audit.jsonl"
TAIL = 1 << 20  # many times the longest record
CHUNK = 1 << 18  # bytes written at a time, so that a long history costs no memory


class Records(Protocol):
    """What the log follows: the ledger."""

    def record_number(self, attempt: str) -> int | None:
        """The number of the record of that attempt; None when it is not there."""
        ...

    def records_after(self, number: int) -> Iterable[StoredRecord]:
        """Every record with a higher number, in order."""
        ...


class AuditLog:
    """The file of JSON lines beside a ledger; thread-safe."""

    def __init__(self, path: Path, records: Records) -> None:
        self._path = path
        self._records = records
        self._lock = threading.Lock()
        self._mark = 0  # number of the last record that is in the file

    @classmethod
    def open(cls, directory: Path, records: Records) -> Self:
        """Open the log of a data directory and complete it from the ledger.

        Raises:
            LedgerError: the file cannot be written, or its last record is not in the ledger.
        """
        log = cls(directory / FILE_NAME, records)
        try:
            last = log._repair()
        except OSError as error:
            raise log._cannot_be_written(error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerError(
                f"audit log {log._path}: its last line is not a record; move the file away, and "
                "it is written again from the ledger"
            ) from error
        number = records.record_number(last) if last is not None else 0
        if number is None:
            raise LedgerError(
                f"audit log {log._path} ends with record {last}, which the ledger beside it does "
                "not have: the ledger was restored from a copy, or a part of it (-wal) was "
                f"deleted; put the newest back, or {TAKE_OVER}"
            )
        log._mark = number
        log.follow()
        return log

    @staticmethod
    def put_away(directory: Path) -> Path | None:
        """Give the file of a data directory another name, which is returned.

        None when there is no file. The next :meth:`open` writes a new one from the ledger.

        Raises:
            LedgerError: it cannot be renamed.
        """
        path = directory / FILE_NAME
        away = path.with_stem(f"audit-until-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}")
        try:
            path.rename(away)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerError(f"audit log {path} cannot be renamed ({error.strerror})") from error
        return away

    def follow(self) -> None:
        """Append every record that the ledger has and the file has not.

        Raises:
            LedgerError: the file cannot be written now; the next call goes on where this ended.
        """
        with self._lock:
            lines: list[str] = []
            size = mark = 0
            for record in self._records.records_after(self._mark):
                lines.append(record.text + "\n")
                size += len(record.text)
                mark = record.number
                if size >= CHUNK:
                    self._append(lines, mark)
                    lines, size = [], 0
            if lines:
                self._append(lines, mark)

    def _append(self, lines: list[str], mark: int) -> None:
        try:
            with self._path.open("ab", buffering=0) as file:
                size = file.tell()
                left = memoryview("".join(lines).encode())
                try:
                    # A disk that is full takes a part first, and says so at the next write.
                    while left:
                        left = left[file.write(left) :]
                except OSError:
                    # The next record would go on in the middle of this line.
                    with suppress(OSError):
                        file.truncate(size)
                    raise
        except OSError as error:
            raise self._cannot_be_written(error) from error
        self._mark = mark

    def _cannot_be_written(self, error: OSError) -> LedgerError:
        way_out = "; make room on its disk" if error.errno == errno.ENOSPC else ""
        return LedgerError(f"audit log {self._path} cannot be written ({error.strerror}){way_out}")

    def _repair(self) -> str | None:
        """Cut off a line that a crash left half-written; the attempt of the last whole one."""
        if not self._path.exists():
            return None
        size = self._path.stat().st_size
        with self._path.open("rb") as file:
            file.seek(max(0, size - TAIL))
            tail = file.read()
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn == TAIL:
            raise ValueError("longer than any record")
        if torn:
            os.truncate(self._path, size - torn)
        lines = tail[: len(tail) - torn].splitlines()
        return str(json.loads(lines[-1])["attempt"]) if lines else None
