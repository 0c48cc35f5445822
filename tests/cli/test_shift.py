"""``kfasync shift check``, and a station that begins with its check list."""

import json
from pathlib import Path

import pytest

from tests.cli.stations import Running, write_simulated
from tests.cli.terminal import Run
from tests.pcscd.floor import write_config
from tests.station.desks import sql

GOLDEN, BAD = "04AAAAAAAAAAA1", "04BBBBBBBBBBB2"


def with_shift(config: Path, more: str = "") -> Path:
    config.write_text(config.read_text("utf-8") + f"\n[shift]\n{more}\n", "utf-8")
    return config


def test_a_station_that_does_not_run_is_looked_at_and_the_list_is_a_record(
    run: Run, tmp_path: Path
) -> None:
    config = with_shift(write_simulated(tmp_path, 1, 3))
    ended = run("shift", "check", "--config", config)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["good", name] for name in ("crypto", "readers", "disk", "ledger", "log", "content")
    ]
    ended = run("shift", "check", "--config", config, "--json")
    assert {one["state"] for one in json.loads(ended.out)} == {"good"}
    rows = sql(tmp_path / "var", "SELECT disposition FROM record")
    assert rows == [("checked",), ("checked",)]


def test_a_red_list_is_no_success(run: Run, tmp_path: Path) -> None:
    config = write_config(tmp_path, made=1)
    config.write_text(config.read_text("utf-8") + '\n[[lane]]\nreader = "none of these"\n', "utf-8")
    ended = run("shift", "check", "--config", config)
    assert ended.code == 3
    assert any(line.startswith("red   readers") for line in ended.out.splitlines())


@pytest.mark.parametrize("every", ["", "every_fobs = 4"])
def test_a_batch_begins_with_both_reference_fobs_and_calls_for_them_again(
    tmp_path: Path, every: str
) -> None:
    more = f'golden = ["{GOLDEN}"]\nknown_bad = ["{BAD}"]\n{every}'
    config = with_shift(write_simulated(tmp_path, 1, 20), more)
    with Running(config) as station:
        station.until("golden due")
        station.until("check list: all right again")
        for _ in range(6 if every else 2):
            station.until("  PASS  ")
        if every:
            assert any("AGAIN" in line for line in station.lines)
    records = sql(tmp_path / "var", "SELECT disposition, json_extract(json, '$.by') FROM record")
    assert records[:3] == [("red", "start"), ("red", "lane 1"), ("checked", "lane 1")]
    fobs = sql(tmp_path / "var", "SELECT uid FROM content WHERE uid IS NOT NULL")
    assert not {(GOLDEN.lower(),), (BAD.lower(),)} & set(fobs)


def test_a_station_that_runs_is_asked(run: Run, tmp_path: Path) -> None:
    more = f'golden = ["{GOLDEN}"]'
    config = with_shift(write_simulated(tmp_path, 1, 20), more)
    with Running(config) as station:
        station.until("  PASS  ")
        ended = run("shift", "check", "--config", config)
        assert ended.code == 0
        assert f"good  golden       fob {GOLDEN} was found good" in ended.out
