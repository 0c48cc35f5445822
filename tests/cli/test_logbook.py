"""The log of a station, read as whoever collects it reads it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kfasync.audit.record import AttemptRecord, StageTime
from kfasync.cli import logbook
from kfasync.cli.logbook import Logbook
from kfasync.errors import ConfigError
from kfasync.model import Stage
from kfasync.station.config import TEMPLATE
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice
from kfasync.station.states import LaneState
from tests.cli.stations import write_simulated
from tests.cli.terminal import Run

UID = "04AABBCCDDEEFF"


def record() -> AttemptRecord:
    values: dict[str, Any] = dict.fromkeys(AttemptRecord.__struct_fields__)
    values |= {
        "attempt": "a1",
        "uid": UID,
        "fesn": "1KM0001E",
        "outcome": "fail",
        "disposition": "fail",
        "cause": "MEMORY_FAILURE",
        "sw": "6581",
        "stage": Stage.PAYLOAD_DELIVERY,
        "stages": (StageTime(Stage.READ_UID, "", 0, 640_000),),
        "message": "PayloadDelivery: 6581",
        "transcript": ("never in a log",),
    }
    return AttemptRecord(**values)


def event(state: LaneState, **values: Any) -> LaneEvent:
    return LaneEvent(slot=2, reader="ACS 00 00", state=state, **values)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_line_for_every_state_and_every_result_with_lane_and_attempt(tmp_path: Path) -> None:
    with Logbook(tmp_path / "log", "EOL-01", as_json=True) as log:
        log.hear(event(LaneState.EMPTY))
        for step in range(3):
            log.hear(event(LaneState.WRITING, attempt="a1", uid=UID, step=step))
        log.hear(event(LaneState.FAIL, attempt="a1", uid=UID, record=record()))
        log.hear(event(LaneState.FAIL, attempt="a1", uid=UID))
        log.hear(event(LaneState.STOPPED, message="two in a row"))
        log.hear(Notice("outbox", "3 ends wait"))
    told = lines(tmp_path / "log")
    assert {line["station"] for line in told} == {"EOL-01"}
    assert all(line["timestamp"].endswith("Z") for line in told)
    assert [(line["level"], line["event"]) for line in told] == [
        ("info", "station-started"),
        ("info", "empty"),
        ("info", "writing"),
        ("warning", "fail"),
        ("error", "stopped"),
        ("warning", "notice"),
        ("info", "station-stopped"),
    ]
    assert [line.get("attempt") for line in told[1:4]] == [None, "a1", "a1"]
    assert (told[3]["lane"], told[3]["sw"], told[3]["took_ms"]) == (2, "6581", 640)
    assert "never in a log" not in (tmp_path / "log").read_text("utf-8")


def test_without_json_it_is_key_and_value(tmp_path: Path) -> None:
    with Logbook(tmp_path / "log", "EOL-01", as_json=False) as log:
        log.hear(event(LaneState.STOPPED, message="two in a row"))
    line = (tmp_path / "log").read_text("utf-8").splitlines()[1]
    assert 'event=stopped station=EOL-01 lane=2 reader="ACS 00 00"' in line
    assert 'message="two in a row"' in line


def test_it_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook, "FILE_MAX_BYTES", 500)
    with Logbook(tmp_path / "log", "EOL-01", as_json=True) as log:
        for _ in range(50):
            log.hear(event(LaneState.EMPTY))
            log.hear(event(LaneState.READING))
    names = sorted(os.listdir(tmp_path))  # noqa: PTH208  # names are all that is wanted
    assert names == ["log", *(f"log.{number}" for number in range(1, 6))]


def test_a_log_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"log .*none/log cannot be written .* --log"):
        Logbook(tmp_path / "none" / "log", "EOL-01", as_json=True)


def test_a_disk_that_fills_up_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    with pytest.raises(ConfigError, match=r"log .*/log cannot be written \(No space left"):
        Logbook(tmp_path / "log", "EOL-01", as_json=True).__enter__()


def test_a_disk_that_fills_up_later_is_told_to_whoever_hands_it_the_news(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with Logbook(path, "EOL-01", as_json=True) as log:
        stream, full = log._handler.stream, os.open("/dev/full", os.O_WRONLY)
        assert stream is not None
        os.dup2(full, stream.fileno())
        os.close(full)
        with pytest.raises(OSError, match="No space left"):
            log.hear(event(LaneState.EMPTY))


def test_a_station_logs_every_attempt_and_no_key(run: Run, tmp_path: Path) -> None:
    config = write_simulated(tmp_path, 2, 3)
    assert run("run", "--config", config, "--fobs", "3", "--log-json").code == 0
    path = tmp_path / "var" / "station.log"
    audit = (tmp_path / "var" / "audit.jsonl").read_text("utf-8").splitlines()
    attempts = {json.loads(line)["attempt"] for line in audit}
    assert {line["attempt"] for line in lines(path) if line["event"] == "pass"} == attempts
    text = path.read_text("utf-8").lower()
    keys = [
        line.split('"')[1] for line in TEMPLATE.splitlines() if line[:3] in ("enc", "mac", "dek")
    ]
    assert len(keys) == 3
    assert not any(key in text for key in keys)
