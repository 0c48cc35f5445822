from typing import Any

import pytest

from kfasync.secret import Secret
from kfasync.station.web import WebSection

TOKEN = Secret(bytes(16))
TLS: dict[str, Any] = {"certificate": "c.pem", "key": "c.key", "token": TOKEN}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"host": "localhost", "port": 0},
        {"host": "::1"},
        {"host": "127.9.9.9", "names": ("eol-01", "eol-01.example")},
        {"host": "192.0.2.7", **TLS},
        {"host": "0.0.0.0", "names": ("eol-01",), **TLS},
    ],
)
def test_what_is_safe_is_taken(given: dict[str, Any]) -> None:
    assert WebSection(**given).address is not None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"host": "eol-01"}, "neither an address nor localhost"),
        ({"port": 65536}, "port 65536 is not from 0 to 65535"),
        ({"names": ("a b",)}, "no host name"),
        ({"names": ("a:80",)}, "no host name"),
        ({"certificate": "c.pem"}, "certificate and key go together"),
        ({"token": Secret(bytes(15))}, "token has less than 32 hex digits"),
        ({"host": "192.0.2.7"}, "takes certificate, key and token"),
        ({"host": "192.0.2.7", "token": TOKEN}, "takes certificate, key and token"),
        ({"host": "192.0.2.7", "certificate": "c", "key": "k"}, "takes certificate, key and token"),
        ({"host": "::", **TLS}, "names has to say how browsers call it"),
    ],
)
def test_what_is_not_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        WebSection(**given)
