"""The log of a station: a line whenever a lane comes into another state, and one for each result.

It is made from what lanes tell, field by field, and no field of that can hold a secret. Every line
names the station, the lane, and the attempt where there is one, as the audit log has it.
"""

import contextlib
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from kfasync.audit.record import AttemptRecord
from kfasync.errors import ConfigError
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice
from kfasync.station.states import LaneState

FILE_MAX_BYTES = 10_000_000  # a few days of a busy station
FILES_KEPT = 5
_LEVELS = {
    LaneState.STOPPED: "error",
    LaneState.READER_FAULT: "warning",
    LaneState.WAITING: "warning",
    LaneState.FAIL: "warning",
    LaneState.IN_DOUBT: "warning",
}


class _Handler(RotatingFileHandler):
    """One that does not swallow its errors: a log that is full has to be told of."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # as logging has it
        raise  # called from inside of the `except` that caught it


class Logbook:
    """Writes the log, from the thread that hears the news.

    Args:
        path: of the file, which is rotated.
        as_json: a JSON object a line; else `key=value`.

    Raises:
        ConfigError: the file cannot be written.
    """

    def __init__(self, path: Path, station: str, *, as_json: bool) -> None:
        try:
            self._handler = _Handler(
                path, maxBytes=FILE_MAX_BYTES, backupCount=FILES_KEPT, encoding="utf-8"
            )
        except OSError as error:
            raise _refused(path, error) from error
        self._path = path
        # A logger of its own, which no logging of anybody else's can reach or redirect.
        sink = logging.Logger(f"kfasync {path}", logging.INFO)
        sink.addHandler(self._handler)
        keys = ["timestamp", "level", "event", "station", "lane", "reader", "attempt"]
        self._log: structlog.stdlib.BoundLogger = structlog.wrap_logger(
            sink,
            wrapper_class=structlog.stdlib.BoundLogger,
            processors=[
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(sort_keys=False)
                if as_json
                else structlog.processors.LogfmtRenderer(key_order=keys, drop_missing=True),
            ],
            station=station,
        )
        self._states: dict[int, LaneState] = {}

    def __enter__(self) -> Self:
        try:
            self._log.info("station-started")
        except OSError as error:
            self._close()
            raise _refused(self._path, error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # told of when the first line was lost
            self._log.info("station-stopped")
        self._close()

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._handler.close()

    def hear(self, entry: LaneEvent | Notice) -> None:
        """Take in news."""
        if isinstance(entry, Notice):
            level = self._log.warning if entry.problem else self._log.info
            level("notice", about=entry.follower, problem=entry.problem)
            return
        before = self._states.get(entry.slot)
        self._states[entry.slot] = entry.state
        if entry.record is None and entry.state is before:
            return
        line = self._log.bind(lane=entry.slot, reader=entry.reader)
        if entry.attempt:
            line = line.bind(attempt=entry.attempt)
        if entry.uid:
            line = line.bind(uid=entry.uid)
        if entry.message:
            line = line.bind(message=entry.message)
        if entry.record is not None:
            line = line.bind(**_of(entry.record))
        getattr(line, _LEVELS.get(entry.state, "info"))(entry.state.value)


def _refused(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        "--log", f"log {path} cannot be written ({error.strerror}); name another with --log"
    )


def _of(record: AttemptRecord) -> dict[str, object]:
    """What of a record is worth a line; all of it is in the audit log."""
    fields: dict[str, object] = {
        "fesn": record.fesn,
        "outcome": record.outcome,
        "disposition": record.disposition,
        "cause": record.cause,
        "sw": record.sw,
        "stage": record.stage.value,
        "took_ms": sum(stage.took_us for stage in record.stages) // 1000,
        "message": record.message,
    }
    return {name: value for name, value in fields.items() if value is not None}
