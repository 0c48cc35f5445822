"""Without a station; with one in test_run."""

from pathlib import Path

from tests.cli.terminal import Run


def test_where_no_station_runs_it_says_so(run: Run, config: Path) -> None:
    for command in (("list",), ("resume", "1")):
        ended = run("lanes", *command, "--config", config)
        assert ended.code == 3
        assert "no station runs on data directory" in ended.err
        assert "kfasync run" in ended.err
