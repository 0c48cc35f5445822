"""The page's process under signals; with a whole station in tests/cli/test_run_web.py."""

import os
import signal
import time
from pathlib import Path

from kfasync.station.follower import Notice
from kfasync.station.states import LaneState
from tests.web.pages import PATIENCE_S, Stream, event, result, served


def children() -> list[int]:
    """The page processes of this process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                words = (entry / "cmdline").read_bytes()
            except (OSError, IndexError):
                continue
            if parent == os.getpid() and b"kfasync.web" in words:
                found.append(int(entry.name))
    return found


def test_a_page_that_is_killed_is_there_again_and_has_missed_nothing(tmp_path: Path) -> None:
    with served(tmp_path) as (feed, page):
        heard = feed.subscribe()
        with Stream(page.url) as stream:
            feed.publish(result(1, LaneState.PASS, uid="0001"))
            stream.until(1, LaneState.PASS)
        (process,) = children()
        os.kill(process, signal.SIGKILL)
        feed.publish(result(2, LaneState.PASS, uid="0002"))
        # The port stays taken meanwhile: the connection waits until somebody answers.
        with Stream(page.url, stream.last) as again:
            deltas = again.until(2, LaneState.PASS)
        assert [one.uid for delta in deltas for one in delta.results] == ["0002"]
        assert not any(delta.whole for delta in deltas)
        said = [news for news in heard.take(PATIENCE_S) if isinstance(news, Notice)]
        assert said[0].problem == "its process has ended (signal 9) and is started again"
    assert children() == []


def test_a_page_that_is_stopped_keeps_nobody_waiting_and_ends_with_the_station(
    tmp_path: Path,
) -> None:
    with served(tmp_path) as (feed, _):
        (process,) = children()
        os.kill(process, signal.SIGSTOP)
        began = time.monotonic()
        for number in range(5000):
            feed.publish(event(1 + number % 16, LaneState.WRITING, step=number))
        assert time.monotonic() - began < PATIENCE_S / 2
    assert children() == []


def test_the_lanes_go_first(tmp_path: Path) -> None:
    with served(tmp_path) as (_, page), Stream(page.url):
        (process,) = children()
        assert os.getpriority(os.PRIO_PROCESS, process) >= 5


def test_it_is_told_nothing_where_others_could_read_it(tmp_path: Path) -> None:
    token = "ab" * 32
    with served(tmp_path, f'port = 0\ntoken = "{token}"'):
        (process,) = children()
        for name in ("cmdline", "environ"):
            assert token.encode() not in Path(f"/proc/{process}/{name}").read_bytes()
