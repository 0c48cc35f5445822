"""``kfasync run`` on simulated readers; on those of a real pcscd in tests/pcscd."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from kfasync.sim.pcscd import SOCKET_VARIABLE, PrivatePcscd
from tests.cli.stations import PATIENCE_S, Running, write_simulated
from tests.cli.terminal import Run
from tests.pcscd.floor import kfasync
from tests.station.desks import sql

LOOPS = pytest.mark.parametrize("loop", ["asyncio", "trio"])


def states(directory: Path) -> dict[str, int]:
    return dict(sql(directory / "var", "SELECT state, count(*) FROM content GROUP BY state"))


@LOOPS
def test_it_ends_after_so_many_fobs_and_tells_what_it_has_done(
    run: Run, tmp_path: Path, loop: str
) -> None:
    config = write_simulated(tmp_path, lanes=2, made=4)
    ended = run("run", "--config", config, "--fobs", "3", "--loop", loop)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert sum("  PASS  " in line for line in lines) == 3
    assert lines[-1].endswith("stopped: 3 passed, 0 failed")
    assert states(tmp_path)["CONSUMED"] == 3


def test_a_fob_that_did_not_pass_is_exit_code_1(run: Run, tmp_path: Path) -> None:
    ended = run("run", "--config", write_simulated(tmp_path, 1, 2), "--fobs", "3")
    assert ended.code == 1
    assert "no container is free" in ended.out


def test_when_no_lane_is_left_for_the_rest_it_is_exit_code_3(run: Run, tmp_path: Path) -> None:
    ended = run("run", "--config", write_simulated(tmp_path, 1, 2), "--fobs", "9")
    assert ended.code == 3
    assert "lane 1  STOPPED: " in ended.out


def test_simulated_readers_do_not_stand_beside_real_ones(run: Run, tmp_path: Path) -> None:
    config = write_simulated(tmp_path, 1, 1)
    config.write_text(config.read_text("utf-8") + '\n[[lane]]\nreader = "ACS"\n', "utf-8")
    ended = run("run", "--config", config)
    assert ended.code == 2
    assert "[[lane]]: 'simulated' stands beside real readers" in ended.err


def test_a_second_station_on_the_same_data_is_refused(run: Run, tmp_path: Path) -> None:
    config = write_simulated(tmp_path, 1, 20)
    with Running(config) as station:
        station.until("PASS")
        ended = run("run", "--config", config)
        assert ended.code == 3
        assert "another station is running" in ended.err
        station.signal(signal.SIGTERM)
        assert station.ended() == 0


@LOOPS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_when_the_fobs_that_are_written_are_done(
    tmp_path: Path, number: signal.Signals, loop: str
) -> None:
    config = write_simulated(tmp_path, lanes=2, made=40)
    with Running(config, "--loop", loop) as station:
        station.until("PASS")
        station.signal(number)
        station.until("stopping: ")
        assert station.ended() == 0
        assert "stopped: " in station.lines[-1]
        shown = [line for line in station.lines if "  PASS  " in line or "  AGAIN  " in line]
    assert set(states(tmp_path)) <= {"FREE", "CONSUMED"}
    log = (tmp_path / "var" / "audit.jsonl").read_text("utf-8").splitlines()
    # Every attempt has been shown, and those that were given up had nothing written to them.
    assert len(shown) == len(log)
    assert {json.loads(line)["disposition"] for line in log} <= {"pass", "retry"}


def test_a_stopped_lane_is_resumed_from_another_terminal(tmp_path: Path) -> None:
    config = write_simulated(tmp_path, lanes=1, made=1)
    with Running(config) as station:
        station.until("STOPPED")
        listed = kfasync("lanes", "list", "--config", config)
        assert listed.returncode == 0
        assert listed.stdout.startswith("lane 1  stopped      simulated 1: ")
        assert kfasync("lanes", "resume", "1", "--config", config).returncode == 0
        station.until("STOPPED")
        wrong = kfasync("lanes", "resume", "7", "--config", config)
        assert (wrong.returncode, wrong.stderr) == (
            2,
            "kfasync: there is no lane 7; lanes of this station: 1\n",
        )
        station.signal(signal.SIGTERM)
        assert station.ended() == 0


def test_real_readers_are_all_taken(run: Run, config: Path, pcscd: PrivatePcscd) -> None:
    with Running(config) as station:
        for name in pcscd.reader_names:
            station.until(f"reader {name} is here")
        station.signal(signal.SIGTERM)
        assert station.ended() == 0


def test_a_reader_that_is_not_there_is_waited_for_and_named(
    run: Run, config: Path, pcscd: PrivatePcscd
) -> None:
    lane = '\n[[lane]]\nreader = "ACS ACR1252"\n'
    config.write_text(config.read_text("utf-8") + lane, "utf-8")
    with Running(config) as station:
        line = station.until("waiting for reader ACS ACR1252; there are: ")
        assert pcscd.reader_names[0] in line
        station.signal(signal.SIGTERM)
        assert station.ended() == 0


def test_without_pcscd_it_says_what_it_waits_for(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SOCKET_VARIABLE, "/nonexistent/pcscd.comm")
    with Running(config) as station:
        station.until("waiting for readers: PC/SC does not answer")
        station.signal(signal.SIGINT)
        assert station.ended() == 0


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_a_terminal_shows_the_board_and_has_the_last_word_after_it(
    tmp_path: Path, columns: int
) -> None:
    seen = on_a_terminal(write_simulated(tmp_path, 2, 40), columns, TERM="xterm-256color")
    board, _, after = seen.rpartition("\x1b[?1049l")
    assert "\x1b[?1049h" in board
    assert "1KM00020" in board
    assert re.search(r"passed [1-9]", board)
    assert "stopped: " in after


def test_a_plain_terminal_gets_lines(tmp_path: Path) -> None:
    seen = on_a_terminal(write_simulated(tmp_path, 2, 40), 80, TERM="dumb")
    assert "\x1b" not in seen
    assert re.search(r"lane 1  PASS      04[0-9A-F]{12}  1KM000", seen)


def test_no_color_is_obeyed(tmp_path: Path) -> None:
    seen = on_a_terminal(write_simulated(tmp_path, 2, 40), 80, TERM="xterm-256color", NO_COLOR="1")
    assert "1KM00020" in seen
    assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|4[0-7]|38;5|48;5)[0-9;]*m", seen)


def on_a_terminal(config: Path, columns: int, **environment: str) -> str:
    """What a terminal of that width is sent, until the second fob has passed and SIGTERM came."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    plain = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    process = subprocess.Popen(
        [sys.executable, "-m", "kfasync", "run", "--config", config],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=plain | environment,
    )
    os.close(slave)
    seen = b""
    try:
        deadline, asked = time.monotonic() + PATIENCE_S, False
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 1.0)[0]:
                continue
            try:
                seen += os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not asked and b"1KM00021" in seen:
                process.send_signal(signal.SIGTERM)
                asked = True
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        os.close(master)
    return seen.decode(errors="replace")
