"""From the feed of a station to the page's process: one thread, and a socket in the data directory.

Only the owner of the data directory can open it. Nobody is waited for: a process that does not read
gets less detail when it reads again.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from kfasync.station.control import socket_name
from kfasync.station.feed import Entry, Feed
from kfasync.web.board import Board
from kfasync.web.reporter import Reporter

FILE_NAME = "page.sock"
HEAD = 4  # bytes in front of each message: its length, big-endian
_PACE_S = 0.02  # between two messages: the steps of many lanes go together
_BEAT_S = 0.5  # something is said this often, so that silence means that the station hangs
_READERS_MAX = 4
_PATIENCE_S = 2.0  # with the last message, and with the thread


class Feeder:
    """Feeds whoever connects, while its context is open.

    Args:
        failed: told of an error after which nothing is fed any more.
    """

    def __init__(
        self,
        feed: Feed,
        board: Board,
        reporter: Reporter,
        directory: Path,
        failed: Callable[[Exception], None],
    ) -> None:
        self._feed = feed
        self._board = board
        self._reporter = reporter
        self._directory = directory
        self._failed = failed
        self._readers: list[_Reader] = []
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        # What a killed station has left; nobody else has this data directory.
        (self._directory / FILE_NAME).unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.setblocking(False)
        with socket_name(self._directory, FILE_NAME) as name:
            self._listener.bind(name)
        # Nobody can connect before `listen`, so there is no moment at which others could.
        (self._directory / FILE_NAME).chmod(0o600)
        self._listener.listen(_READERS_MAX)
        self._subscription = self._feed.subscribe()
        for event in self._feed.lanes():
            self._reporter.hear(event)
        self._thread = threading.Thread(target=self._work, name="kfasync page", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._feed.leave(self._subscription)
        self._thread.join(_PATIENCE_S)
        self._listener.close()
        with contextlib.suppress(OSError):
            (self._directory / FILE_NAME).unlink()

    def _work(self) -> None:
        try:
            while not self._closing.wait(_PACE_S):
                self._step(self._subscription.take(_BEAT_S / 4))
            self._step(self._subscription.take(0))
        except Exception as error:
            self._feed.leave(self._subscription)
            self._failed(error)
        finally:
            for reader in self._readers:
                reader.close()

    def _step(self, batch: list[Entry]) -> None:
        for news in batch:
            self._reporter.hear(news)
        with contextlib.suppress(OSError):  # nobody wants to connect
            connection, _ = self._listener.accept()
            self._readers.append(_Reader(connection))
            if len(self._readers) > _READERS_MAX:
                self._readers.pop(0).close()
        for reader in list(self._readers):
            try:
                reader.push(self._board)
            except OSError:
                reader.close()
                self._readers.remove(reader)


class _Reader:
    """One that is connected, and what it has not been told yet."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._pending = b""
        self._epoch, self._seq = "", 0
        self._said_s = 0.0

    def push(self, board: Board) -> None:
        """Send what is new, as far as it is taken; OSError when it has gone."""
        now_s = time.monotonic()
        if not self._pending:
            if board.seq == self._seq and now_s - self._said_s < _BEAT_S:
                return
            delta = board.since(self._epoch, self._seq)
            self._epoch, self._seq, self._said_s = delta.epoch, delta.seq, now_s
            message = msgspec.msgpack.encode(delta)
            self._pending = len(message).to_bytes(HEAD, "big") + message
        with contextlib.suppress(BlockingIOError):
            while self._pending:
                self._pending = self._pending[self._connection.send(self._pending) :]

    def close(self) -> None:
        """Its end says that the station has ended."""
        self._connection.close()
