"""A vault on Python's heap, for the paths whose keys live there anyway.

Its files are read by pyca/cryptography, which leaves pieces of a scalar on its own heap and
stack; who minds that takes the native path.
"""

import base64

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)

from kfasync.contracts.crypto import NOT_BASE64, NOT_PKCS8
from kfasync.secret import Secret

_SCALAR_SIZE = 32  # of P-256, leading zeros included (RFC 5915, 3)
_INTEGER, _OCTET_STRING, _SEQUENCE = 0x02, 0x04, 0x30  # identifier octets, X.690, 8.1.2


class HeapVault:
    """A :class:`kfasync.contracts.crypto.Vault` that locks nothing."""

    def secret(self, size: int) -> Secret:
        """That many zeros."""
        return Secret(bytes(size))

    def scalar(self, pkcs8: Secret) -> tuple[Secret, bytes]:
        """The scalar and its public point."""
        try:
            key = load_der_private_key(pkcs8.expose(), None)
            scalar = _scalar(pkcs8.expose())
        # TypeError: it is encrypted.
        except (TypeError, ValueError, UnsupportedAlgorithm) as error:
            raise ValueError(NOT_PKCS8) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise ValueError(NOT_PKCS8)
        # A file whose own public key belongs to another scalar was refused when it was loaded.
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return scalar, point

    def base64(self, text: Secret) -> Secret:
        """Decode; the decoder gives bytes, which nobody can wipe: one short-lived copy."""
        try:
            decoded = base64.b64decode(text.expose(), validate=True)
        except ValueError as error:
            raise ValueError(NOT_BASE64) from error
        if len(text) != 4 * -(-len(decoded) // 3):
            # Padding behind a full group, which Python takes and RFC 4648 does not know.
            raise ValueError(NOT_BASE64)
        return Secret(decoded)


def _scalar(key: memoryview) -> Secret:
    """Walk PrivateKeyInfo (RFC 5208, 5) to the octets of ECPrivateKey.privateKey (RFC 5915, 3).

    cryptography has vouched for the key and would give its scalar as an int; taken from the
    file's own buffer it is at no time an object that cannot be wiped.
    """
    info, _ = _element(key, _SEQUENCE)
    _, info = _element(info, _INTEGER)
    _, info = _element(info, _SEQUENCE)
    octets, _ = _element(info, _OCTET_STRING)
    ec_private_key, _ = _element(octets, _SEQUENCE)
    _, ec_private_key = _element(ec_private_key, _INTEGER)
    scalar, _ = _element(ec_private_key, _OCTET_STRING)
    # cryptography 45 takes a scalar of any length; the card wants it whole.
    if len(scalar) != _SCALAR_SIZE:
        raise ValueError("the scalar is not of full length")
    return Secret(scalar)


def _element(data: memoryview, tag: int) -> tuple[memoryview, memoryview]:
    """Contents of the first DER element, which has this tag, and what follows it (X.690, 8.1).

    Its length has been checked by cryptography.
    """
    if len(data) < 2 or data[0] != tag:
        raise ValueError("another element is expected here")
    start, length = 2, data[1]
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    return data[start : start + length], data[start + length :]
