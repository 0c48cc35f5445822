"""SIGTERM and SIGINT at random moments, on four lanes and one data directory."""

import json
import os
import random
import signal
from pathlib import Path

import pytest

from tests.cli.stations import Running, write_simulated
from tests.station.desks import sql

STOPS = int(os.environ.get("RUN_STOPS", "4"))  # of each loop
SECONDS_MAX = 2.0
MADE_A_STOP = 25  # containers: more than four lanes use up by then


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_stop_at_any_moment_leaves_nothing_half_done(tmp_path: Path, loop: str) -> None:
    dice = random.Random(loop)
    config = write_simulated(tmp_path, lanes=4, made=MADE_A_STOP * STOPS)
    results = 0
    for number in range(STOPS):
        with Running(config, "--loop", loop) as station:
            station.until("is here")
            station.listen(dice.uniform(0.0, SECONDS_MAX))
            station.signal(dice.choice([signal.SIGTERM, signal.SIGINT]))
            if dice.random() < 0.5:
                station.listen(dice.uniform(0.0, 0.2))
                station.signal(dice.choice([signal.SIGTERM, signal.SIGINT]))
            assert station.ended() == 0, station.lines
            # Neither at the start, from the run before, nor at the end.
            assert not [line for line in station.lines if "place fob" in line]
            results += sum(f"  {w}  " in line for line in station.lines for w in ("PASS", "AGAIN"))
        rows = sql(tmp_path / "var", "SELECT state, count(*) FROM content GROUP BY state")
        assert set(dict(rows)) <= {"FREE", "CONSUMED"}, (number, rows)
    text = (tmp_path / "var" / "audit.jsonl").read_text("utf-8")
    log = [json.loads(line) for line in text.splitlines()]
    assert {one["disposition"] for one in log} <= {"pass", "retry"}
    # What was given up was never written to, and every result was shown.
    assert {one["cause"] for one in log if one["disposition"] == "retry"} <= {"stopped"}
    assert results == len(log)
