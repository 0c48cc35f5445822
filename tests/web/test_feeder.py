import contextlib
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from kfasync.station.advice import Language
from kfasync.station.feed import Feed
from kfasync.station.states import LaneState
from kfasync.web.board import Board
from kfasync.web.feeder import FILE_NAME, HEAD, Feeder
from kfasync.web.reporter import Reporter
from kfasync.web.view import Delta
from tests.web.pages import PATIENCE_S, event, result


@contextlib.contextmanager
def fed(directory: Path) -> Iterator[Feed]:
    feed, board, failures = Feed(), Board("e"), list[Exception]()
    feed.publish(event(7, LaneState.EMPTY))  # told before anybody listens
    reporter = Reporter(board, Language.ENGLISH)
    with Feeder(feed, board, reporter, directory, failures.append):
        yield feed
    assert failures == []


class Reader:
    def __init__(self, directory: Path) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(PATIENCE_S)
        self._connection.connect(str(directory / FILE_NAME))
        self._stream = self._connection.makefile("rb")

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()
        self._connection.close()

    def delta(self) -> Delta | None:
        head = self._stream.read(HEAD)
        if not head:
            return None
        return msgspec.msgpack.decode(self._stream.read(int.from_bytes(head, "big")), type=Delta)


def test_the_socket_is_its_owner_s_alone_and_says_everything_first(tmp_path: Path) -> None:
    with fed(tmp_path) as feed:
        mode = (tmp_path / FILE_NAME).stat().st_mode
        assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)
        with Reader(tmp_path) as reader:
            first = reader.delta()
            assert first is not None
            assert (first.whole, [tile.slot for tile in first.tiles]) == (True, [7])
            feed.publish(event(1, LaneState.READING))
            while not (delta := reader.delta()) or not delta.tiles:
                assert delta is not None
            assert (delta.whole, delta.tiles[0].slot) == (False, 1)
    assert not (tmp_path / FILE_NAME).exists()


def test_its_end_is_the_end_of_the_stream_and_nothing_is_left_unsaid(tmp_path: Path) -> None:
    seen: list[str] = []
    reading = threading.Event()

    def read() -> None:
        with Reader(tmp_path) as reader:
            while (delta := reader.delta()) is not None:
                reading.set()
                seen.extend(one.uid for one in delta.results)

    with fed(tmp_path) as feed:
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        assert reading.wait(PATIENCE_S)
        for number in range(100):
            feed.publish(result(1, LaneState.PASS, uid=f"{number:04}"))
    thread.join(PATIENCE_S)
    assert seen == [f"{number:04}" for number in range(100)]


def test_one_that_never_reads_costs_nobody_anything(tmp_path: Path) -> None:
    with fed(tmp_path) as feed, Reader(tmp_path), Reader(tmp_path) as reader:
        seen = 0
        for number in range(3000):
            feed.publish(result(1, LaneState.FAIL, uid=f"{number:04}"))
        while seen < 400:
            delta = reader.delta()
            assert delta is not None
            seen = max(seen, *(int(one.uid) for one in delta.results), 0)


def test_a_socket_that_a_killed_station_has_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / FILE_NAME))
    with fed(tmp_path), Reader(tmp_path) as reader:
        assert reader.delta() is not None
