"""A page under test: the real process, fed from a feed that the test tells."""

import contextlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from kfasync.audit.record import AttemptRecord, now
from kfasync.contracts.cards import News
from kfasync.station.advice import Language
from kfasync.station.config import LoadedConfig, load
from kfasync.station.events import LaneEvent
from kfasync.station.feed import Feed
from kfasync.station.states import LaneState
from kfasync.web.page import Page, open_page
from kfasync.web.view import Delta
from tests.pcscd.floor import write_config

PATIENCE_S = 30.0
UID = "04AABBCCDDEEFF"


def record(state: LaneState = LaneState.FAIL, **changes: Any) -> AttemptRecord:
    """Of an attempt that ended so."""
    values: dict[str, Any] = dict.fromkeys(AttemptRecord.__struct_fields__)
    values |= {"attempt": "a1", "uid": UID, "fesn": "1KM0001E", "finished": now(), "stages": ()}
    if state is LaneState.PASS:
        values |= {"disposition": "pass", "cause": "pass", "message": "", "operator_action": ""}
    else:
        values |= {
            "disposition": state.value,
            "cause": "MEMORY_FAILURE",
            "sw": "6581",
            "message": "PayloadDelivery: 6581, the card's memory failed",
            "operator_action": "Put the fob in the reject bin, it is defective.",
        }
    return AttemptRecord(**(values | changes))


def event(slot: int, state: LaneState, **values: Any) -> LaneEvent:
    """News of a lane."""
    told: dict[str, Any] = {"reader": f"ACS ACR1252 [PICC] {slot:02} 00", "news": News.INSERTED}
    return LaneEvent(slot=slot, state=state, **(told | values))


def result(slot: int, state: LaneState, **changes: Any) -> LaneEvent:
    """A result, with its record."""
    found = record(state, **changes)
    return event(slot, state, attempt=found.attempt, uid=found.uid or "", record=found)


def write_web(directory: Path, web: str = "port = 0") -> LoadedConfig:
    """A configuration with a page on a port that is free."""
    config = write_config(directory, made=1)
    config.write_text(config.read_text("utf-8") + f"\n[web]\n{web}\n", "utf-8")
    return load(config)


@contextlib.contextmanager
def served(
    directory: Path, web: str = "port = 0", language: Language = Language.ENGLISH
) -> Iterator[tuple[Feed, Page]]:
    """A feed, and the page of it; the page answers."""
    feed = Feed()
    with open_page(write_web(directory, web), language, feed) as page:
        assert page is not None
        assert ask(page.url, "/words").status == 200
        yield feed, page


class Answer(NamedTuple):
    """What the page answered."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    url: str,
    path: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """One request, with exactly these headers and ``Host``."""
    with connected(url) as connection:
        lines = {"Host": urlsplit(url).netloc, "Connection": "close"} | (headers or {})
        connection.request(method, path, body, lines)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read())


def raw(url: str, request: bytes) -> bytes:
    """What comes back to these bytes, to the end of the connection."""
    parts = urlsplit(url)
    with (
        socket.create_connection((parts.hostname, parts.port), PATIENCE_S) as connection,
        contextlib.suppress(ConnectionResetError, BrokenPipeError),
    ):
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))
    return b""


@contextlib.contextmanager
def connected(url: str) -> Iterator[http.client.HTTPConnection]:
    """A connection to the page; over TLS any certificate is taken."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=PATIENCE_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        yield connection


class Stream:
    """A browser's stream of events, read by hand.

    Attributes:
        last: the id of the last event, to go on from.
        beats: what was said between two deltas.
        raw: everything, as it came.
    """

    def __init__(self, url: str, last: str = "", headers: dict[str, str] | None = None) -> None:
        self.last = last
        self.beats: list[str] = []
        self.raw: list[bytes] = []
        # Beats come for ever: who waits for an event among them waits no longer than this.
        self._deadline_s = time.monotonic() + 2 * PATIENCE_S
        self._parts = contextlib.ExitStack()
        connection = self._parts.enter_context(connected(url))
        lines = {"Host": urlsplit(url).netloc, "Last-Event-ID": last} | (headers or {})
        connection.request("GET", "/events", headers=lines)
        self._answer = connection.getresponse()
        assert self._answer.status == 200, self._answer.status

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *error: object) -> None:
        self._answer.close()
        self._parts.close()

    def event(self) -> Delta | None:
        """The next event; None for one that only says that the page is alive."""
        assert time.monotonic() < self._deadline_s, self.beats[-3:]
        fields: dict[str, str] = {}
        for line in iter(self._answer.readline, b"\n"):
            assert line, "the stream has ended"
            self.raw.append(line)
            name, _, value = line.decode().rstrip("\n").partition(": ")
            fields[name] = value
        self.last = fields.get("id", self.last)
        if fields["event"] == "beat":
            self.beats.append(fields["data"])
            return None
        return msgspec.json.decode(fields["data"], type=Delta)

    def until(self, slot: int, state: LaneState) -> list[Delta]:
        """Everything up to the first news that the lane stands so."""
        deadline, found = time.monotonic() + PATIENCE_S, []
        while time.monotonic() < deadline:
            delta = self.event()
            if delta is None:
                continue
            found.append(delta)
            if any((tile.slot, tile.state) == (slot, state.value) for tile in delta.tiles):
                return found
        raise AssertionError(f"lane {slot} was never {state.value}: {json.dumps(self.beats)}")
