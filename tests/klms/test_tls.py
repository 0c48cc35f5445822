"""Every refusal of TLS arrives as an alert with its reason, whichever loop the client runs on."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kfasync.errors import ConfigError
from kfasync.klms.pki import Authority, Credential, Purpose, write_pair
from kfasync.klms.tls import TlsContexts, TlsFiles, make_context
from tests.klms.world import WAIT_S, ServerProcess, client_context

REASONS = {
    "none": "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "expired": "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "wrong CA": "TLSV1_ALERT_UNKNOWN_CA",
    "revoked": "SSLV3_ALERT_CERTIFICATE_REVOKED",
    "TLS 1.2": "TLSV1_ALERT_PROTOCOL_VERSION",
}


def context_for(case: str, pki: Path, tmp_path: Path) -> ssl.SSLContext:
    if case == "none":
        return client_context(pki, None)
    if case in ("expired", "revoked"):
        return client_context(pki, case)
    if case == "wrong CA":
        write_pair(tmp_path, "EOL-01", Authority.make("another CA").station("EOL-01"))
        context = client_context(pki, None)
        context.load_cert_chain(tmp_path / "EOL-01.pem", tmp_path / "EOL-01.key")
        return context
    context = client_context(pki)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def reasons(error: BaseException | None) -> Iterator[str]:
    """Of every SSLError in the chain."""
    while error is not None:
        if isinstance(error, ssl.SSLError) and error.reason is not None:
            yield error.reason
        error = error.__cause__ or error.__context__


@pytest.mark.anyio
@pytest.mark.parametrize("case", REASONS)
async def test_a_refusal_says_why(server: ServerProcess, tmp_path: Path, case: str) -> None:
    context = context_for(case, server.pki, tmp_path)
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=WAIT_S) as client:
        # A bare SSLError on asyncio, a ReadError or ConnectError with it in its chain on trio.
        with pytest.raises((httpx.TransportError, ssl.SSLError)) as caught:
            await client.get(f"{server.url}/v1/time")
    assert REASONS[case] in set(reasons(caught.value))


@pytest.mark.anyio
async def test_a_station_that_is_known_gets_in(server: ServerProcess) -> None:
    context = client_context(server.pki)
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=WAIT_S) as client:
        assert (await client.get(f"{server.url}/v1/time")).status_code == 200


def test_a_server_of_another_ca_is_refused_by_the_station(
    server: ServerProcess, tmp_path: Path
) -> None:
    write_pair(tmp_path, "ca", Authority.make("another CA").credential)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(tmp_path / "ca.pem")
    with (
        httpx.Client(verify=context, trust_env=False, timeout=WAIT_S) as client,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.get(f"{server.url}/v1/time")


def test_a_station_is_revoked_without_a_restart(directory: Path) -> None:
    with ServerProcess(directory) as server:
        with server.client() as station:
            assert station.get("/v1/time").status_code == 200
        authority, serial_number = authority_of(server.pki, "EOL-01")
        authority.revoke(serial_number)
        replace(server.pki / "crl.pem", authority.crl())
        with server.client() as station, pytest.raises(httpx.TransportError) as caught:
            station.get("/v1/time")
        assert REASONS["revoked"] in set(reasons(caught.value))
        with server.client("EOL-02") as station:
            assert station.get("/v1/time").status_code == 200


def test_files_that_cannot_be_used_leave_those_before_in_use(directory: Path) -> None:
    with ServerProcess(directory) as server:
        replace(server.pki / "server.pem", b"not a certificate")
        with server.client() as station:
            assert station.get("/v1/time").status_code == 200
        assert "have changed and cannot be used" in server.log.read_text()


def replace(path: Path, content: bytes) -> None:
    """As an administrator does it: at once, and not half."""
    (path.parent / "new").write_bytes(content)
    (path.parent / "new").replace(path)


def authority_of(pki: Path, station: str) -> tuple[Authority, int]:
    """The CA of a directory with an empty list, and the number of a station's certificate."""
    key = load_pem_private_key((pki / "ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = x509.load_pem_x509_certificate((pki / "ca.pem").read_bytes())
    station_certificate = x509.load_pem_x509_certificate((pki / f"{station}.pem").read_bytes())
    return Authority(Credential(certificate, key)), station_certificate.serial_number


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    authority = Authority.make()
    write_pair(tmp_path, "ca", authority.credential)
    write_pair(
        tmp_path, "server", authority.issue("localhost", Purpose.SERVER, names=["localhost"])
    )
    (tmp_path / "crl.pem").write_bytes(authority.crl())
    names = ("server.pem", "server.key", "ca.pem", "crl.pem")
    return TlsFiles(*(tmp_path / name for name in names))


def test_a_context_is_of_tls_13_and_asks_for_a_certificate(files: TlsFiles) -> None:
    context = make_context(files)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.num_tickets == 0
    assert context.keylog_filename is None


@pytest.mark.parametrize("name", ["certificate", "key", "ca", "crl"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"], ids=["missing", "empty", "nonsense"])
def test_a_file_that_is_wrong_is_one_sentence(
    files: TlsFiles, name: str, content: bytes | None
) -> None:
    path: Path = getattr(files, name)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        TlsContexts(files)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_of_another_certificate_is_one_sentence(files: TlsFiles, tmp_path: Path) -> None:
    files.key.write_bytes(Authority.make().credential.key_pem())
    with pytest.raises(ConfigError, match=r"server\.key: not the key of the certificate"):
        make_context(files)
