"""The audit log: one record for every attempt, as JSON lines.

The ledger keeps each record in the transaction of its outcome; the file follows the ledger,
and is completed from it after a crash.
"""

import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from kfasync.audit.record import AttemptRecord
from kfasync.errors import LedgerError
from kfasync.ledger.ledger import Ledger
from kfasync.model import ContentState, Disposition, Lease, Unit

FILE_NAME = "audit.jsonl"
TAIL = 1 << 20  # many times the longest record


class AuditLog:
    """The file of JSON lines beside a ledger; thread-safe."""

    def __init__(self, path: Path, ledger: Ledger) -> None:
        self._path = path
        self._ledger = ledger
        self._lock = threading.Lock()
        self._last: str | None = None
        self._behind = True  # the ledger may have records that the file has not

    @classmethod
    def open(cls, directory: Path, ledger: Ledger) -> Self:
        """Open the log of a data directory and complete it from the ledger.

        Raises:
            LedgerError: the file cannot be written, or its last record is not in the ledger.
        """
        log = cls(directory / FILE_NAME, ledger)
        try:
            log._last = log._repair()
            log.follow()
        except OSError as error:
            raise LedgerError(
                f"audit log {log._path} cannot be written ({error.strerror})"
            ) from error
        except (ValueError, KeyError) as error:
            raise LedgerError(
                f"audit log {log._path}: its last line is not a record; move the file away, and "
                "it is written again from the ledger"
            ) from error
        return log

    def finish(
        self,
        record: AttemptRecord,
        *,
        disposition: Disposition,
        unit: Unit | None,
        lease: Lease | None,
        state: ContentState | None,
    ) -> None:
        """Outcome and record into the ledger, and then the record into the file.

        Raises:
            LedgerError: one of the two cannot be written.
        """
        text = record.json()
        with self._lock:
            self._ledger.finish(
                record.attempt, text, disposition=disposition, unit=unit, lease=lease, state=state
            )
            # In the order of the ledger, so whatever the file still lacks goes first.
            if self._behind:
                self._follow()
            else:
                self._write([text], record.attempt)

    def follow(self) -> None:
        """Append every record that the ledger has and the file has not.

        Raises:
            LedgerError: the file cannot be written, or does not belong to this ledger.
        """
        with self._lock:
            self._follow()

    def _follow(self) -> None:
        lines = list(self._ledger.records_after(self._last))
        self._write(lines, json.loads(lines[-1])["attempt"] if lines else self._last)

    def _write(self, lines: list[str], last: str | None) -> None:
        self._behind = True
        try:
            self._append(lines)
        except OSError as error:
            raise LedgerError(
                f"audit log {self._path} cannot be written ({error.strerror})"
            ) from error
        self._last, self._behind = last, False

    def _append(self, lines: list[str]) -> None:
        if not lines:
            return
        with self._path.open("ab", buffering=0) as file:
            size = file.tell()
            left = memoryview("".join(line + "\n" for line in lines).encode())
            try:
                # A disk that is full takes a part first, and says so at the next write.
                while left:
                    left = left[file.write(left) :]
            except OSError:
                # The next record would go on in the middle of this line.
                with suppress(OSError):
                    file.truncate(size)
                raise

    def _repair(self) -> str | None:
        """Cut off a line that a crash left half-written; the attempt of the last whole one."""
        if not self._path.exists():
            return None
        size = self._path.stat().st_size
        with self._path.open("rb") as file:
            file.seek(max(0, size - TAIL))
            tail = file.read()
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn:
            os.truncate(self._path, size - torn)
        lines = tail[: len(tail) - torn].splitlines()
        return str(json.loads(lines[-1])["attempt"]) if lines else None
