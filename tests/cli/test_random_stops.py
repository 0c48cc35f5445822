"""SIGTERM and SIGINT at random moments, on four lanes and one data directory."""

import json
import os
import random
import signal
from pathlib import Path

import pytest

from tests.cli.stations import Running, write_simulated
from tests.klms.world import ServerProcess
from tests.station.desks import sql
from tests.station.keyserver import make_klms, pool, station_of

STOPS = int(os.environ.get("RUN_STOPS", "2"))  # of each loop
SECONDS_MAX = 2.0
MADE_A_STOP = 25  # containers: more than four lanes use up by then


LOOPS = pytest.mark.parametrize("loop", ["asyncio", "trio"])


@LOOPS
def test_a_stop_at_any_moment_leaves_nothing_half_done(tmp_path: Path, loop: str) -> None:
    dice = random.Random(loop)
    config = write_simulated(tmp_path, lanes=4, made=MADE_A_STOP * STOPS)
    results = 0
    for number in range(STOPS):
        results += stopped_at_random(dice, config, loop)
        rows = sql(tmp_path / "var", "SELECT state, count(*) FROM content GROUP BY state")
        assert set(dict(rows)) <= {"FREE", "CONSUMED"}, (number, rows)
    assert results == given_up_or_passed(tmp_path / "var")


@LOOPS
def test_a_stop_at_any_moment_leaves_no_lease_open_at_the_key_server(
    tmp_path: Path, loop: str
) -> None:
    dice = random.Random(f"klms {loop}")
    directory = make_klms(tmp_path, MADE_A_STOP * STOPS)
    with ServerProcess(directory) as server:
        config = station_of(server, directory)
        text = config.read_text("utf-8")
        config.write_text(text + '\n[[lane]]\nreader = "simulated"\n' * 4, "utf-8")
        results = 0
        for number in range(STOPS):
            results += stopped_at_random(dice, config, loop)
            free, leased, _, quarantined = pool(server)
            assert (leased, quarantined) == (0, 0), number
            assert free
            assert sql(directory / "var", "SELECT count(*) FROM outbox")[0][0] == 0
    assert results == given_up_or_passed(directory / "var")


def stopped_at_random(dice: random.Random, config: Path, loop: str) -> int:
    """Start a station, stop it some time later, perhaps twice; how many results it has shown."""
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
        return sum(f"  {word}  " in line for line in station.lines for word in ("PASS", "AGAIN"))


def given_up_or_passed(directory: Path) -> int:
    """How many results the audit log has: passes, and fobs that nothing was written to."""
    text = (directory / "audit.jsonl").read_text("utf-8")
    log = [json.loads(line) for line in text.splitlines()]
    assert {one["disposition"] for one in log} <= {"pass", "retry"}
    assert {one["cause"] for one in log if one["disposition"] == "retry"} <= {"stopped"}
    return len(log)
