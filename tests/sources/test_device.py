import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from kfasync.crypto.heap import HeapVault
from kfasync.sources.container import read_container
from kfasync.sources.device import require_device_certificate
from tests.pcscd.floor import FIXTURES

CONTAINER = read_container(sorted((FIXTURES / "containers").iterdir())[0], HeapVault())
DER, FESN, POINT = CONTAINER.device_certificate, CONTAINER.content.fesn, CONTAINER.point


def another_point() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def test_the_certificate_of_the_fob_is_taken() -> None:
    require_device_certificate(DER, FESN, POINT)


@pytest.mark.parametrize(
    ("der", "fesn", "point", "what"),
    [
        (DER[:-1], FESN, POINT, "not one in DER"),
        (DER + b"\x00", FESN, POINT, "not one in DER"),
        (b"", FESN, POINT, "not one in DER"),
        (DER, "1KM99999", POINT, "CN is not the FESN"),
        (DER, FESN, another_point(), "of another key"),
    ],
    ids=["cut", "more behind it", "empty", "another FESN", "another key"],
)
def test_another_one_is_not(der: bytes, fesn: str, point: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        require_device_certificate(der, fesn, point)


@given(st.binary(max_size=600))
def test_any_bytes_are_a_value_error(der: bytes) -> None:
    with pytest.raises(ValueError, match="not one in DER"):
        require_device_certificate(der, FESN, POINT)


def test_a_key_of_another_kind_is_not_the_scalars() -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, FESN)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(CONTAINER.not_valid_before)
        .not_valid_after(CONTAINER.not_valid_after)
        .sign(key, hashes.SHA256())
    )
    with pytest.raises(ValueError, match="of another key"):
        require_device_certificate(made.public_bytes(Encoding.DER), FESN, POINT)
