"""HPKE base mode, receiving side, written from RFC 9180: the independent reading of a seal."""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEM_ID, KDF_ID, AEAD_ID = 0x0010, 0x0001, 0x0001
KEM_SUITE = b"KEM" + KEM_ID.to_bytes(2)
HPKE_SUITE = b"HPKE" + b"".join(one.to_bytes(2) for one in (KEM_ID, KDF_ID, AEAD_ID))


def open_base(
    private: ec.EllipticCurvePrivateKey, enc: bytes, info: bytes, aad: bytes, ciphertext: bytes
) -> bytes:
    """The plaintext with sequence number 0 (RFC 9180, 6.1)."""
    shared = decap(private, enc)
    context = (
        b"\x00"
        + extract(HPKE_SUITE, b"", b"psk_id_hash", b"")
        + extract(HPKE_SUITE, b"", b"info_hash", info)
    )
    secret = extract(HPKE_SUITE, shared, b"secret", b"")
    key = expand(HPKE_SUITE, secret, b"key", context, 16)
    nonce = expand(HPKE_SUITE, secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, ciphertext, aad)


def decap(private: ec.EllipticCurvePrivateKey, enc: bytes) -> bytes:
    """DHKEM(P-256, HKDF-SHA256) (RFC 9180, 4.1)."""
    sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), enc)
    own = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    dh = private.exchange(ec.ECDH(), sender)
    return expand(
        KEM_SUITE, extract(KEM_SUITE, b"", b"eae_prk", dh), b"shared_secret", enc + own, 32
    )


def extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    """LabeledExtract."""
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(suite: bytes, prk: bytes, label: bytes, info: bytes, size: int) -> bytes:
    """LabeledExpand."""
    labeled = size.to_bytes(2) + b"HPKE-v1" + suite + label + info
    out = block = b""
    for counter in range(1, -(-size // hashlib.sha256().digest_size) + 1):
        block = hmac.digest(prk, block + labeled + bytes((counter,)), "sha256")
        out += block
    return out[:size]
