"""What is asked of a station through its socket; from a browser in tests/web/test_line.py."""

import json
import signal
from pathlib import Path

import pytest

from kfasync.errors import LaneError
from kfasync.station.control import Request, ask
from tests.cli.stations import Running, write_simulated
from tests.station.desks import sql


def test_every_word_is_answered_and_what_was_decided_is_a_record(tmp_path: Path) -> None:
    directory = tmp_path / "var"
    with Running(write_simulated(tmp_path, lanes=1, made=1)) as station:
        station.until("STOPPED")
        (lane,) = ask(directory, Request()).lanes
        assert (lane.slot, lane.state) == (1, "stopped")
        with pytest.raises(LaneError, match="another result"):
            ask(directory, Request(acknowledge=1, attempt="a"))
        with pytest.raises(LaneError, match="is not unfinished"):
            ask(directory, Request(resolve="04" * 7))
        ask(directory, Request(warning="wrong PIN; tries left: 4"))
        station.until("page: wrong PIN; tries left: 4")
        ask(directory, Request(resume=1, reason="more content came"))
        station.until("STOPPED")
        station.signal(signal.SIGTERM)
        assert station.ended() == 0
    rows = sql(directory, "SELECT json FROM record WHERE disposition = 'resumed'")
    (record,) = (json.loads(text) for (text,) in rows)
    assert (record["slot"], record["by"]) == (1, "command line")
    assert record["message"] == "more content came"
