import asyncio
from typing import Any

import pytest

from kfasync.klms.peer import EXTENSION, Peer, PeerProtocol, station_of
from tests.klms.test_server import raw
from tests.klms.world import ServerProcess, problem


def uri(*names: str) -> dict[str, Any]:
    return {"subjectAltName": tuple(("URI", name) for name in names)}


@pytest.mark.parametrize(
    ("certificate", "station"),
    [
        (uri("urn:kfasync:station:EOL-01"), "EOL-01"),
        (uri("https://example.com", "urn:kfasync:station:EOL-01"), "EOL-01"),
        (uri("urn:kfasync:station:EOL-01", "urn:kfasync:station:EOL-02"), None),
        (uri("urn:kfasync:server:EOL-01"), None),
        ({"subjectAltName": (("DNS", "urn:kfasync:station:EOL-01"),)}, None),
        ({"subject": ((("commonName", "EOL-01"),),)}, None),
        ({}, None),
    ],
)
def test_a_station_is_the_one_uri_of_its_certificate(
    certificate: dict[str, Any], station: str | None
) -> None:
    assert station_of(certificate) == station


def test_a_peer_is_in_the_scope_of_its_requests() -> None:
    peer = Peer("EOL-01", asyncio.Transport())
    assert Peer.of({"extensions": {EXTENSION: peer}}) is peer


@pytest.mark.parametrize(
    "line", [b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET\r\n\r\n"]
)
def test_what_is_no_http_is_a_problem_too(server: ServerProcess, line: bytes) -> None:
    answer = raw(server, line)
    assert problem(answer) == "invalid-request"
    assert answer.json()["correlation_id"] == "-"
    assert PeerProtocol.__name__ not in answer.text
