"""What the tests of the key server's client share: a source, a unit, and a hostile server."""

import http.server
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import msgspec

from kfasync.contracts.crypto import CryptoPath
from kfasync.contracts.klms import PoolAnswer
from kfasync.contracts.sources import End, EndKind
from kfasync.crypto.choose import choose
from kfasync.errors import KfError
from kfasync.klms.tls import TlsFiles, make_context
from kfasync.model import Content, Fingerprint, Lease, Outcome, Touched, Unit
from kfasync.sources.klms.credentials import Files
from kfasync.sources.klms.source import KlmsSource
from tests.klms.world import AID, PROFILE, ServerProcess

STATION = "EOL-01"
# Of the pure path nothing depends on the machine; the locked path has tests of its own.
PATH = "cryptography"


def unit(number: int, profile: str = PROFILE) -> Unit:
    uid = b"\x04" + number.to_bytes(6)
    return Unit(uid, uid, b"\x3b\x80", bytes.fromhex(AID), profile)


def files(pki: Path, station: str = STATION) -> Files:
    return Files(pki / "ca.pem", pki / f"{station}.pem", pki / f"{station}.key")


class Register:
    """A ledger that takes everything, and knows what it was given."""

    digest_key = bytes(32)

    def __init__(self) -> None:
        self.adopted: list[tuple[Content, str]] = []
        self.refuses: KfError | None = None

    def adopt(
        self,
        unit: Unit,
        fence: str,
        content: Content,
        fingerprint: Fingerprint,
        *,
        pool: str = "",
        lease_id: str = "",
    ) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.adopted.append((content, lease_id))


class Told:
    """What an operator was told, as it stands."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []

    def __call__(self, topic: str, sentence: str) -> None:
        self.all.append((topic, sentence))

    def of(self, topic: str) -> list[str]:
        return [sentence for one, sentence in self.all if one == topic]


@asynccontextmanager
async def opened(
    url: str,
    pki: Path,
    directory: Path,
    *,
    register: Register | None = None,
    told: Told | None = None,
    path: CryptoPath | None = None,
    credentials: Files | None = None,
    **options: Any,
) -> AsyncIterator[KlmsSource]:
    """A source that is open."""
    await anyio.Path(directory).mkdir(exist_ok=True)
    source = KlmsSource(
        url,
        credentials or files(pki),
        STATION,
        directory,
        register or Register(),
        path or choose(PATH),
        tell=told or Told(),
        **options,
    )
    await source.open()
    try:
        yield source
    finally:
        await source.close()


def of(server: ServerProcess) -> str:
    """The URL by the name in the server's certificate."""
    return server.url.replace("127.0.0.1", "localhost")


def end(lease: Lease, kind: EndKind = EndKind.COMMIT, touched: Touched = Touched.UNKNOWN) -> End:
    outcome = Outcome.PASS if kind is EndKind.COMMIT else Outcome.INCOMPLETE
    return End(lease.unit.uid, lease.lease_id, kind, outcome, touched, "ab" * 32)


Answer = Callable[[str, bytes], tuple[int, dict[str, str], bytes]]


class Hostile:
    """A server over mutual TLS that answers whatever it is told to answer.

    Args:
        answer: status, headers and body, from path and body of a request.
    """

    def __init__(self, pki: Path, answer: Answer) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connected: Callable[[object], object] = lambda address: None
        hostile = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                hostile.connected(self.client_address)
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                hostile.requests.append((self.path, dict(self.headers.items()), body))
                status, headers, content = answer(self.path, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _serve  # noqa: N815  # as http.server calls them

            def log_message(self, *arguments: object) -> None: ...

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that hung up is what these tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler, bind_and_activate=True)
        self.context = make_context(
            TlsFiles(pki / "server.pem", pki / "server.key", pki / "ca.pem")
        )
        self._server.socket = self.context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


def counts(server: ServerProcess, profile: str = PROFILE) -> PoolAnswer:
    """The pool of the server, as it tells it."""
    with server.client() as client:
        return msgspec.json.decode(client.get(f"/v1/pool/{profile}").content, type=PoolAnswer)
