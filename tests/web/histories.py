"""A ledger with a past, for the lead's page."""

import datetime
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from kfasync.audit.record import AttemptRecord, StageTime, TranscriptEntry
from kfasync.ledger.attempts import Ending
from kfasync.ledger.ledger import Ledger
from kfasync.model import Disposition, Stage, Unit
from kfasync.station.states import LaneState
from tests.web.pages import record

# How attempts end, over and over: of twenty, sixteen pass.
_TORN = {
    "cause": "torn",
    "sw": None,
    "message": "the fob left the reader too early",
    "operator_action": "Place the same fob again.",
}
_KEYS = {
    "cause": "CryptogramError",
    "sw": None,
    "message": "station and fob hold different keys",
    "operator_action": "Stop. Put the fob aside for review. Have the key set checked.",
}
_ENDS: tuple[tuple[Disposition, LaneState, dict[str, Any]], ...] = (
    (Disposition.FAIL, LaneState.FAIL, {}),
    (Disposition.BOUND, LaneState.BOUND, _TORN),
    (Disposition.BOUND, LaneState.BOUND, _TORN),
    (Disposition.FAIL, LaneState.FAIL, _KEYS),
    *((Disposition.PASS, LaneState.PASS, {}),) * 16,
)
_TOOK_MS = (21, 148, 17, 24, 402, 31, 38)


def attempt(number: int, ended: datetime.datetime) -> AttemptRecord:
    """The record of one attempt, as long as one of a real fob."""
    disposition, state, changes = _ENDS[(number * 7) % len(_ENDS)]
    times, offset = [], 0
    for stage, took_ms in zip(Stage, _TOOK_MS, strict=True):
        took = took_ms * 1000 * (100 + number * 13 % 40) // 100
        times.append(StageTime(stage, "", offset, took))
        offset += took
    said = TranscriptEntry(Stage.PAYLOAD_DELIVERY, "84E200", 245, "9000", "AB" * 100, 10, 24_100)
    began = ended - datetime.timedelta(microseconds=offset)
    return record(
        state,
        attempt=f"{number:032x}",
        station="EOL-01",
        slot=1 + number % 4,
        reader=f"ACS ACR1252 [PICC] {number % 4:02} 00",
        started=began.isoformat(timespec="microseconds"),
        finished=ended.isoformat(timespec="microseconds"),
        stages=tuple(times),
        transcript=(said,) * 17,
        uid=f"04{0xA1B2C3D4E5 + number * 7919:010X}80",
        fesn=f"1KM{number:05X}",
        **({"disposition": disposition.value} | changes),
    )


def write(ledger: Ledger, of: AttemptRecord) -> None:
    """Put a record into a ledger, as the end of an attempt."""
    uid = bytes.fromhex(of.uid or "")
    ledger.finish(
        Ending(
            attempt=of.attempt,
            record=of.json(),
            disposition=Disposition(of.disposition),
            unit=Unit(uid, uid, b"", b"", "p"),
        )
    )


def moments(count: int, until: datetime.datetime) -> Iterator[datetime.datetime]:
    """So many, 7 s apart, the last of them then."""
    for number in range(count, 0, -1):
        yield until - datetime.timedelta(seconds=7 * (number - 1))


def fill(directory: Path, count: int, until: datetime.datetime | None = None) -> None:
    """A ledger with so many attempts in this data directory; the last has just ended."""
    until = until or datetime.datetime.now(datetime.UTC)
    with closing(Ledger.open(directory)) as ledger:
        for number, at in enumerate(moments(count, until), 1):
            write(ledger, attempt(number, at))
