"""What the tests of the KLMS share: content, a pool, a server process, a station's requests."""

import base64
import json
import os
import select
import signal
import ssl
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kfasync.contracts.klms import IDEMPOTENCY_KEY, SUITE, canonical, info
from kfasync.crypto.heap import HeapVault
from kfasync.klms.kdf3 import MemoryKey
from kfasync.klms.stock import Authorities, Piece, Stock
from kfasync.klms.store import Store
from kfasync.secret import Secret
from kfasync.sim.content import FIRST_FESN, make_containers
from kfasync.sources.container import read_container
from tests.klms.hpke_by_hand import open_base

WAIT_S = 30
KILLS = int(os.environ.get("KLMS_KILLS", "6"))  # of test_sigkill; content is made for them
PROFILE = "keyfob"
AID = "A000000857"
MASTER = MemoryKey(Secret(bytes(range(32))))
AUTHORITIES = Authorities(b"ica", b"cms root")


def make_pieces(count: int, first: str = FIRST_FESN) -> list[Piece]:
    """Content as it comes from containers."""
    with tempfile.TemporaryDirectory() as directory:
        made = make_containers(Path(directory), count, first=first)
        containers = [read_container(path, HeapVault()) for path in made]
    return [
        Piece(one.content.fesn, one.content.spid, one.device_certificate, one.scalar, one.irk)
        for one in containers
    ]


def fill(path: Path, count: int) -> Store:
    """A pool with that much content."""
    store = Store(path)
    Stock(store, MASTER).add(PROFILE, AUTHORITIES, make_pieces(count))
    return store


class Recipient:
    """The key of one lease request, and the opening of its answer."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())

    def request(self, uid: str, station: str = "EOL-01", **more: Any) -> dict[str, Any]:
        """Body of a lease request."""
        point = self._private.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        recipient = {"suite": SUITE, "public_key": base64.b64encode(point).decode()}
        unit = {"uid": uid, "aid": AID}
        body = {"unit": unit, "profile": PROFILE, "station": station, "recipient": recipient}
        return body | more

    def open(self, answer: dict[str, Any], station: str = "EOL-01") -> bytes:
        """The key block; raises when the seal is for anything else."""
        sealed = answer["sealed"]
        bound = info(answer["lease_id"], bytes.fromhex(answer["uid"]), station, canonical(answer))
        enc, ciphertext = (base64.b64decode(sealed[name]) for name in ("enc", "ciphertext"))
        return open_base(self._private, enc, bound, b"", ciphertext)


def fresh_key() -> dict[str, str]:
    """The header of a request that was never made."""
    return {IDEMPOTENCY_KEY: str(uuid.uuid4())}


def end(lease_id: str, kind: str = "commit", **more: str) -> dict[str, str]:
    """One end of a batch."""
    return {"lease_id": lease_id, "end": kind, "outcome": "pass", "touched": "partial"} | more


def client_context(pki: Path, station: str | None = "EOL-01") -> ssl.SSLContext:
    """What a station speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pki / "ca.pem")
    if station is not None:
        context.load_cert_chain(pki / f"{station}.pem", pki / f"{station}.key")
    return context


class ServerProcess:
    """``kfasync klms serve`` as a user starts it; ends by its own process id."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.pki = directory / "pki"
        self.log = directory / "log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "kfasync", "klms", "serve"),
                    *("--config", str(directory / "klms.toml")),
                    *options,
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        try:
            ready, _, _ = select.select([self._process.stdout], [], [], WAIT_S)
            line = self._process.stdout.readline() if ready else ""
            assert line.startswith("reference KLMS on https://"), self.log.read_text()
        except BaseException:
            self.kill()
            raise
        self.url = line.split()[-1]

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def client(self, station: str = "EOL-01") -> httpx.Client:
        """A station."""
        return httpx.Client(
            base_url=self.url,
            verify=client_context(self.pki, station),
            trust_env=False,
            timeout=WAIT_S,
        )

    def kill(self) -> None:
        """End it as a power cut does."""
        self._process.kill()
        self._wait()

    def stop(self) -> int:
        """End it as an operator does; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._wait()

    def _wait(self) -> int:
        code = self._process.wait(WAIT_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self.kill()
        else:
            self._wait()


def problem(answer: httpx.Response) -> str:
    """The code of a problem document, which has all that it must have."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = json.loads(answer.content)
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:kfasync:problem:{body['code']}"
    code: str = body["code"]
    return code
