import datetime
import os
import ssl
from pathlib import Path

import pytest

from kfasync.errors import TrustError
from kfasync.klms.pki import Authority, write_pair
from kfasync.sources.klms.credentials import (
    Files,
    days_left,
    read_credentials,
    require_station,
)

NOW = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    authority = Authority.make()
    write_pair(tmp_path, "ca", authority.credential)
    write_pair(tmp_path, "EOL-01", authority.station("EOL-01"))
    return Files(tmp_path / "ca.pem", tmp_path / "EOL-01.pem", tmp_path / "EOL-01.key")


def test_a_context_takes_tls_13_and_writes_no_secrets(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "secrets"))
    context = read_credentials(files).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.keylog_filename is None


def test_a_certificate_names_its_station(files: Files) -> None:
    credentials = read_credentials(files)
    assert credentials.stations == ("EOL-01",)
    require_station(credentials, "EOL-01", files.certificate)
    with pytest.raises(TrustError, match=r"EOL-01\.pem is for EOL-01, and station\.id is EOL-02"):
        require_station(credentials, "EOL-02", files.certificate)


def test_a_certificate_that_names_nobody(files: Files, tmp_path: Path) -> None:
    credentials = read_credentials(Files(files.ca, files.ca, tmp_path / "ca.key"))
    assert credentials.stations == ()
    with pytest.raises(TrustError, match="is for no station"):
        require_station(credentials, "EOL-01", files.ca)


@pytest.mark.parametrize("name", ["ca", "certificate", "key"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"], ids=["missing", "empty", "nonsense"])
def test_a_file_that_is_wrong_is_one_sentence(
    files: Files, name: str, content: bytes | None
) -> None:
    path: Path = getattr(files, name)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrustError) as caught:
        read_credentials(files)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_key_of_another_certificate_is_said_to_be_one(files: Files) -> None:
    files.key.write_bytes(Authority.make().credential.key_pem())
    with pytest.raises(TrustError, match="is not the key of this station's certificate"):
        read_credentials(files)


@pytest.mark.parametrize(
    ("days", "left"), [(31, None), (30, 30), (8, 30), (7, 7), (2, 7), (1, 1), (0.1, 1), (-1, 0)]
)
def test_how_long_a_certificate_is_good(days: float, left: int | None) -> None:
    assert days_left(NOW + datetime.timedelta(days=days), NOW) == left


def test_a_stamp_changes_with_a_file(files: Files) -> None:
    before = files.stamp()
    assert files.stamp() == before
    os.utime(files.key, ns=(1, 1))
    assert files.stamp() != before
    changed = files.stamp()
    files.key.unlink()
    assert files.stamp() != changed
