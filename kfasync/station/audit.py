"""The audit log: one record for every attempt, as JSON lines.

A record has no field that could hold a secret. The ledger keeps each record in the
transaction of its outcome; the file follows the ledger, and is completed from it after a
crash.
"""

import datetime
import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec

from kfasync.core.flow import Exchange
from kfasync.errors import LedgerError
from kfasync.model import ContentState, Disposition, Lease, Stage, Unit
from kfasync.station.ledger import Ledger

FILE_NAME = "audit.jsonl"
RECORD_VERSION = 1
TAIL = 1 << 20  # many times the longest record


class TranscriptEntry(msgspec.Struct, frozen=True):
    """One exchange. Of a confidential command only header and length are known here."""

    stage: Stage
    command: str  # hex; the header alone where the command is confidential
    command_bytes: int
    sw: str
    answer: str | None  # hex of the data field; None where the command is confidential
    answer_bytes: int
    took_us: int


class StageTime(msgspec.Struct, frozen=True):
    """When a stage began, on the wall and on the monotonic clock, and how long it took."""

    stage: Stage
    at: str
    offset_us: int
    took_us: int


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt on one fob. Names of bytes are hex; times are UTC by RFC 3339."""

    record_version: int = RECORD_VERSION
    attempt: str
    station: str
    slot: int
    reader: str
    software: str
    config_sha256: str
    crypto_path: str
    provider: str | None
    provider_sha256: str | None
    started: str
    finished: str
    stages: tuple[StageTime, ...]
    uid: str | None
    atr: str
    profile: str
    fesn: str | None
    spid: str | None
    kvn: int | None
    kcv: dict[str, str] | None
    layout: str | None
    i_param: str | None
    sequence_counter: int | None
    key_diversification_data: str | None
    security_level: str
    scp03_mode: str
    device_certificate_issuer_checked: bool
    outcome: str
    disposition: str
    stage: Stage
    cause: str
    sw: str | None
    message: str
    operator_action: str
    intended_state: str
    observed_state: str
    transcript: tuple[TranscriptEntry, ...]

    def json(self) -> str:
        """One line, keys in order: canonical, since no number in it is a fraction."""
        return msgspec.json.encode(self, order="sorted").decode()


class Journal:
    """What one attempt did and when; filled in while it runs."""

    def __init__(self) -> None:
        self.started = now()
        self.transcript: list[TranscriptEntry] = []
        self._zero = time.monotonic_ns()
        self._stages: list[tuple[Stage, str, int]] = []

    def enter(self, stage: Stage) -> None:
        """A stage begins, unless it is the one that runs already."""
        if not self._stages or self._stages[-1][0] is not stage:
            self._stages.append((stage, now(), self._elapsed_us()))

    def exchanged(self, exchange: Exchange, answer: bytes, took_us: int) -> None:
        """Write one exchange down, without what must not be known."""
        shown = exchange.command[:4] if exchange.confidential else exchange.command
        data, sw = answer[:-2], answer[-2:]
        self.transcript.append(
            TranscriptEntry(
                exchange.stage,
                shown.hex().upper(),
                len(exchange.command),
                sw.hex().upper(),
                None if exchange.confidential else data.hex().upper(),
                len(data),
                took_us,
            )
        )

    def stages(self) -> tuple[StageTime, ...]:
        """The stages so far; the last one runs until now."""
        ends = [offset for _, _, offset in self._stages[1:]] + [self._elapsed_us()]
        return tuple(
            StageTime(stage, at, offset, end - offset)
            for (stage, at, offset), end in zip(self._stages, ends, strict=True)
        )

    def _elapsed_us(self) -> int:
        return (time.monotonic_ns() - self._zero) // 1000


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


def now() -> str:
    """The wall clock, in UTC, by RFC 3339."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
