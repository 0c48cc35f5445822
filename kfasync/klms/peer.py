"""Who is at the other end of a connection, told to the application.

No ASGI server hands the client's certificate on. A subclass of uvicorn's HTTP/1.1 protocol takes
it from the transport when the handshake is over, and puts the peer into the scope of each request.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from kfasync.contracts.klms import STATION_URI
from kfasync.contracts.klms_problems import Problem
from kfasync.klms.refusal import ProblemError, problem_headers

EXTENSION = "kfasync.peer"


class Peer:
    """One client, known by the certificate that the handshake has verified.

    Attributes:
        station: its name; None where the certificate has none or several.
    """

    def __init__(self, station: str | None, transport: asyncio.BaseTransport) -> None:
        self.station = station
        self._transport = transport

    @classmethod
    def of(cls, scope: Scope) -> "Peer":
        """The peer of one request."""
        peer: Peer = scope["extensions"][EXTENSION]
        return peer

    def hang_up(self) -> None:
        """Cut the connection, whatever is on its way."""
        if isinstance(self._transport, asyncio.Transport):
            self._transport.abort()


def station_of(certificate: Mapping[str, Any]) -> str | None:
    """The one station that a certificate names, as ``SSLSocket.getpeercert`` gives it."""
    names = [
        value.removeprefix(STATION_URI)
        for kind, value in certificate.get("subjectAltName", ())
        if kind == "URI" and value.startswith(STATION_URI)
    ]
    return names[0] if len(names) == 1 else None


class PeerProtocol(H11Protocol):
    """HTTP/1.1 that knows its peer, and answers what is not HTTP with a problem too."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The handshake is over: from here on the peer is known."""
        super().connection_made(transport)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        certificate = (tls.getpeercert() if tls is not None else None) or {}
        # The application of this connection alone: uvicorn asks for it at every request.
        self.app = _Introduced(self.app, Peer(station_of(certificate), transport))

    def send_400_response(self, msg: str) -> None:
        """What h11 could not read; ``msg`` may quote it and is not repeated."""
        refusal = ProblemError(Problem.INVALID_REQUEST, "this is not HTTP/1.1")
        body = refusal.body("-")
        headers = [(b"connection", b"close"), *problem_headers(body, "-")]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class _Introduced:
    """An application whose every request comes with its peer."""

    def __init__(self, app: Any, peer: Peer) -> None:
        self._app: ASGIApp = app
        self._peer = peer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        scope.setdefault("extensions", {})[EXTENSION] = self._peer
        await self._app(scope, receive, send)
