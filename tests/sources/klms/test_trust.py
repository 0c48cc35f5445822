"""Every way in which TLS goes wrong is a sentence that says whose certificate, on both loops."""

import re
import shutil
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from kfasync.errors import SourceError, SourceUnavailableError, TrustError
from kfasync.klms.pki import Authority, Purpose, write_pair
from kfasync.sources.klms.credentials import Files
from kfasync.sources.klms.link import Link
from kfasync.sources.klms.trust import explain
from tests.klms.test_tls import replace
from tests.klms.world import ServerProcess
from tests.sources.klms.world import STATION, Hostile, files, of

SILENCE_S = 0.2
TIME = "/v1/time"


async def said(url: str, these: Files, timeout_s: float = 10.0) -> SourceError:
    """What one request comes to."""
    link = Link(url, STATION, these, lambda sentence: None)
    try:
        with pytest.raises(SourceError) as caught:
            await link.send("GET", TIME, b"", {}, timeout_s)
    finally:
        link.close()
    return caught.value


def shown(pki: Path, tmp_path: Path, case: str) -> Files:
    """The files of a station whose certificate is refused."""
    if case == "wrong CA":
        write_pair(tmp_path, STATION, Authority.make("another CA").station(STATION))
        return Files(pki / "ca.pem", tmp_path / f"{STATION}.pem", tmp_path / f"{STATION}.key")
    return files(pki, case)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("expired", "says that this station's certificate {} has expired; renew it"),
        ("revoked", "says that this station's certificate {} is revoked; have a new one issued"),
        ("wrong CA", "does not know the CA of this station's certificate {}; have one issued by "),
    ],
)
async def test_a_certificate_that_the_server_refuses(
    server: ServerProcess, tmp_path: Path, case: str, sentence: str
) -> None:
    these = shown(server.pki, tmp_path, case)
    error = await said(of(server), these)
    assert isinstance(error, TrustError)
    begins = f"key server {of(server)} {sentence.format(these.certificate)}"
    assert str(error).startswith(begins)
    assert error.exit_code == 3


def hostile_pki(pki: Path, tmp_path: Path, make: Callable[[Authority], None]) -> Path:
    """A PKI in which the server's certificate is another one."""
    copy = Path(shutil.copytree(pki, tmp_path / "pki"))
    from tests.klms.test_tls import authority_of

    authority, _ = authority_of(pki, STATION)
    for name in ("server.pem", "server.key"):
        (copy / name).unlink()
    make(authority)
    return copy


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("expired", "has expired; have the server's certificate renewed"),
        ("early", "is not valid yet; compare the clocks"),
        ("name", "is for another name; correct source.url"),
        ("CA", "is not from the CA in {}; put the CA of the server there"),
    ],
)
async def test_a_certificate_of_the_server_that_is_not_accepted(
    server: ServerProcess, tmp_path: Path, case: str, sentence: str
) -> None:
    import datetime

    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    window = {"expired": (now - 2 * day, now - day), "early": (now + day, now + 2 * day)}

    def make(authority: Authority) -> None:
        signer = Authority.make("another CA") if case == "CA" else authority
        begins, ends = window.get(case, (None, None))
        name = "elsewhere" if case == "name" else "localhost"
        made = signer.issue(name, Purpose.SERVER, names=[name], not_before=begins, not_after=ends)
        write_pair(tmp_path / "pki", "server", made)

    pki = hostile_pki(server.pki, tmp_path, make)
    with Hostile(pki, lambda path, body: (200, {}, b"{}")) as hostile:
        error = await said(hostile.url, files(server.pki))
        assert not hostile.requests
    assert isinstance(error, TrustError)
    ca = server.pki / "ca.pem"
    begins = f"the certificate of key server {hostile.url} {sentence.format(ca)}"
    assert str(error).startswith(begins)


@pytest.mark.anyio
async def test_a_server_that_speaks_tls_12_only(server: ServerProcess) -> None:
    with Hostile(server.pki, lambda path, body: (200, {}, b"{}")) as hostile:
        context = hostile.context
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        error = await said(hostile.url, files(server.pki))
    assert isinstance(error, TrustError)
    assert "does not speak TLS 1.3" in str(error)


@pytest.mark.anyio
async def test_a_server_that_speaks_no_tls(server: ServerProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://localhost:{listener.getsockname()[1]}"
        import threading

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        error = await said(url, files(server.pki))
        thread.join(10)
    assert isinstance(error, TrustError)
    assert "does not speak TLS; correct source.url" in str(error)


@pytest.mark.anyio
async def test_nobody_listens(server: ServerProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = await said(f"https://localhost:{port}", files(server.pki))
    assert isinstance(error, SourceUnavailableError)
    assert str(error) == f"key server https://localhost:{port} does not answer (connection refused)"


@pytest.mark.anyio
async def test_nobody_has_that_name(server: ServerProcess) -> None:
    error = await said("https://klms.invalid", files(server.pki))
    assert isinstance(error, SourceUnavailableError)
    assert re.search(r"does not answer \((name|temporary|no address)", str(error)), error


@pytest.mark.anyio
async def test_somebody_listens_and_says_nothing(server: ServerProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        error = await said(f"https://localhost:{port}", files(server.pki), SILENCE_S)
    assert isinstance(error, SourceUnavailableError)
    assert str(error).endswith("does not answer (not within 0.2 s)")


@pytest.mark.anyio
async def test_a_connection_that_is_cut(server: ServerProcess, directory: Path) -> None:
    with ServerProcess(directory, "--fault", "cut-before") as cutting:
        link = Link(of(cutting), STATION, files(cutting.pki), lambda sentence: None)
        try:
            with pytest.raises(SourceUnavailableError, match="does not answer"):
                await link.send(
                    "POST",
                    "/v1/outcomes",
                    b'{"ends":[{"lease_id":"x","end":"abort","outcome":"fail","touched":"none"}]}',
                    {"content-type": "application/json"},
                    10.0,
                )
        finally:
            link.close()


def test_what_openssl_says_and_nobody_foresaw_is_still_a_sentence(tmp_path: Path) -> None:
    error = ssl.SSLError(1, "[SSL: SOMETHING_NEW] something new")
    error.reason = "SOMETHING_NEW"
    told = explain(ExceptionGroup("of a task group", [error]), "https://k", files(tmp_path))
    assert isinstance(told, TrustError)
    assert "cannot agree on TLS (SOMETHING_NEW)" in str(told)


@pytest.mark.anyio
async def test_certificates_swapped_while_it_runs(server: ServerProcess, tmp_path: Path) -> None:
    pki = Path(shutil.copytree(server.pki, tmp_path / "pki"))
    these, told = files(pki), list[str]()
    link = Link(of(server), STATION, these, told.append)
    try:
        assert (await link.send("GET", TIME, b"", {}, 10.0)).status == 200
        # One of two files is there already: the ones before stay in use.
        replace(these.certificate, (server.pki / "revoked.pem").read_bytes())
        assert (await link.send("GET", TIME, b"", {}, 10.0)).status == 200
        assert "have changed and cannot be used: " in told[-1]
        assert "is not the key of this station's certificate" in told[-1]
        # Both are there, and the server takes them no longer.
        replace(these.key, (server.pki / "revoked.key").read_bytes())
        with pytest.raises(TrustError, match="is revoked"):
            await link.send("GET", TIME, b"", {}, 10.0)
        # The right ones again, and nobody has to start anything again.
        for name in ("pem", "key"):
            replace(pki / f"{STATION}.{name}", (server.pki / f"{STATION}.{name}").read_bytes())
        assert (await link.send("GET", TIME, b"", {}, 10.0)).status == 200
        assert told[-1] == ""
    finally:
        link.close()
