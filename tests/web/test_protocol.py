import contextlib
import socket
import time
from urllib.parse import urlsplit

from kfasync.station.feed import Feed
from kfasync.station.states import LaneState
from kfasync.web.page import Page
from kfasync.web.protocol import FIRST_S
from tests.web.pages import PATIENCE_S, Stream, event


def test_who_asks_for_nothing_is_let_go_and_who_listens_is_not(
    served_page: tuple[Feed, Page],
) -> None:
    feed, page = served_page
    place = urlsplit(page.url)
    with Stream(page.url) as stream, contextlib.ExitStack() as held:
        silent = []
        for said in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"):
            connection = held.enter_context(
                socket.create_connection((place.hostname, place.port), PATIENCE_S)
            )
            connection.sendall(said)
            silent.append(connection)
        began = time.monotonic()
        for connection in silent:
            with contextlib.suppress(ConnectionResetError):  # which is as good as its end
                assert connection.recv(1) == b""
        assert time.monotonic() - began < 2 * FIRST_S
        feed.publish(event(1, LaneState.LOCKING))
        stream.until(1, LaneState.LOCKING)
