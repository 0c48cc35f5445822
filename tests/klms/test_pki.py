import datetime
import ipaddress
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from kfasync.klms.pki import Authority, Credential, Purpose, write_new, write_pair


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def names(credential: Credential) -> x509.SubjectAlternativeName:
    extensions = credential.certificate.extensions
    return extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_a_station_is_named_by_one_uri() -> None:
    station = Authority.make().station("EOL-01")
    assert names(station).get_values_for_type(x509.UniformResourceIdentifier) == [
        "urn:kfasync:station:EOL-01"
    ]


def test_a_server_has_names_and_addresses_and_verifies() -> None:
    authority = Authority.make()
    server = authority.issue("localhost", Purpose.SERVER, names=["localhost", "127.0.0.1", "::1"])
    assert names(server).get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("127.0.0.1"),
        ipaddress.ip_address("::1"),
    ]
    builder = PolicyBuilder().store(Store([authority.credential.certificate]))
    verifier = builder.build_server_verifier(x509.DNSName("localhost"))
    assert len(verifier.verify(server.certificate, [])) == 2


def test_an_expired_certificate_was_valid_once() -> None:
    expired = Authority.make().expired("EOL-01").certificate
    assert expired.not_valid_before_utc < expired.not_valid_after_utc < now()


def test_what_is_revoked_stands_in_every_later_list() -> None:
    authority = Authority.make()
    numbers = [authority.station(name).certificate.serial_number for name in ("a", "b")]
    lists = [x509.load_pem_x509_crl(authority.crl())]
    for number in numbers:
        authority.revoke(number)
        lists.append(x509.load_pem_x509_crl(authority.crl()))
    assert [[entry.serial_number for entry in one] for one in lists] == [[], numbers[:1], numbers]
    issuer = authority.credential.certificate.public_key()
    assert lists[-1].is_signature_valid(issuer)  # type: ignore[arg-type]  # an EC key


def test_files_are_new_and_keys_for_their_owner_only(tmp_path: Path) -> None:
    credential = Authority.make().station("EOL-01")
    write_pair(tmp_path, "EOL-01", credential)
    assert stat.S_IMODE((tmp_path / "EOL-01.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "EOL-01.pem").stat().st_mode) == 0o644
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "EOL-01.pem", b"")
    assert "key" not in repr(credential)
