"""The key block of a lease, and its seal: HPKE base mode (RFC 9180) by pyca/cryptography.

The station opens it with a reading of its own, so that both cannot be wrong together.
"""

import struct
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from kfasync.contracts.klms import SUITE, KeyBlockTag, Sealed
from kfasync.model import KeySet
from kfasync.secret import Secret

_SUITE = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_128_GCM)
_ENC_SIZE = 65  # Nenc of DHKEM(P-256) (RFC 9180, table 2)


def key_block(
    keys: KeySet, scalar: Secret, irk: Secret, items: Iterable[tuple[int, Secret]] = ()
) -> Secret:
    """Tag (1 byte), length (2 bytes, big-endian), value, for each secret of one fob.

    Args:
        items: further secret items, each with its DGI.
    """
    block = bytearray()
    for tag, value in (
        (KeyBlockTag.ENC, keys.enc),
        (KeyBlockTag.MAC, keys.mac),
        (KeyBlockTag.DEK, keys.dek),
        (KeyBlockTag.SCALAR, scalar),
        (KeyBlockTag.IRK, irk),
    ):
        block += struct.pack(">BH", tag, len(value)) + value.expose()
    for dgi, value in items:
        block += struct.pack(">BHH", KeyBlockTag.ITEM, 2 + len(value), dgi) + value.expose()
    secret = Secret(block)
    block[:] = bytes(len(block))
    return secret


def recipient_key(point: bytes) -> ec.EllipticCurvePublicKey:
    """The recipient of a lease request.

    Raises:
        ValueError: it is not a point of P-256.
    """
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def seal(block: Secret, recipient: ec.EllipticCurvePublicKey, info: bytes) -> Sealed:
    """Seal a key block, with a new ephemeral key.

    Args:
        info: as :func:`kfasync.contracts.klms.info` makes it.
    """
    wire = _SUITE.encrypt(bytes(block.expose()), recipient, info)
    return Sealed(suite=SUITE, enc=wire[:_ENC_SIZE], ciphertext=wire[_ENC_SIZE:])
