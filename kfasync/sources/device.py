"""The device certificate of a fob, held against the key and the serial number beside it.

Who issued it is not checked, and neither is its validity period: :mod:`kfasync.sources.container`
says why.
"""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

# What cryptography raises for what is no X.509 certificate, early or late: names and key are parsed
# only when they are asked for.
_ERRORS = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def require_device_certificate(der: bytes, fesn: str, point: bytes) -> None:
    """Raise unless a certificate is that of the fob with this serial number and this key.

    Args:
        point: the public point of the fob's key, 04 || X || Y.

    Raises:
        ValueError: what is wrong with it, for the end of a sentence.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        key = certificate.public_key()
    except _ERRORS as error:
        raise ValueError("a device certificate that is not one in DER") from error
    if [name.value for name in names] != [fesn]:
        raise ValueError("a device certificate whose CN is not the FESN")
    if not isinstance(key, ec.EllipticCurvePublicKey) or point != key.public_bytes(
        Encoding.X962, PublicFormat.UncompressedPoint
    ):
        raise ValueError("a device certificate of another key than the scalar beside it")
