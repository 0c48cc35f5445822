"""The seal of a lease, opened: HPKE base mode (RFC 9180) into the memory of a vault.

DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, single shot, empty aad. Written out because
`cryptography`'s own HPKE gives the plaintext as ``bytes``, which nobody can wipe.

The point that ECDH gives, and what HKDF extracts from it, are ``bytes`` for a moment. They open
this one blob and no other, and the blob is gone with its answer. The keys of the fob are never
``bytes``.
"""

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kfasync.contracts.crypto import Vault
from kfasync.contracts.klms import Sealed
from kfasync.secret import Secret

TAG_SIZE = 16  # of AES-GCM
BLOCK_MAX = 4096  # as much as a vault gives in one piece
_KEY_SIZE, _NONCE_SIZE, _HASH_SIZE = 16, 12, 32

# suite_id of KEM and of HPKE (RFC 9180, 4.1 and 5.1): the numbers of the three algorithms.
_KEM = b"KEM\x00\x10"
_HPKE = b"HPKE\x00\x10\x00\x01\x00\x01"
_ZEROS = bytes(_HASH_SIZE)  # an absent salt (RFC 5869, 2.2)


class RecipientKey:
    """The private key of one lease request; it dies with this object and is never stored."""

    def __init__(self, private: ec.EllipticCurvePrivateKey | None = None) -> None:
        self._private = private or ec.generate_private_key(ec.SECP256R1())
        self.public = self._private.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )

    def open(self, sealed: Sealed, info: bytes, vault: Vault) -> Secret:
        """The key block, in the vault.

        Args:
            info: as :func:`kfasync.contracts.klms.info` makes it.

        Raises:
            ValueError: it was not sealed to this key under this ``info``, or is too long.
        """
        size = len(sealed.ciphertext) - TAG_SIZE
        if not 0 < size <= BLOCK_MAX:
            raise ValueError(f"a sealed block of {len(sealed.ciphertext)} bytes")
        secret = _extract(self._decapsulate(sealed.enc), _HPKE, b"secret", b"")
        # key_schedule_context: mode_base, and the hashes of no psk_id and of info (RFC 9180, 5.1).
        context = (
            b"\x00"
            + _extract(_ZEROS, _HPKE, b"psk_id_hash", b"")
            + _extract(_ZEROS, _HPKE, b"info_hash", info)
        )
        key, block = vault.secret(_KEY_SIZE), vault.secret(size)
        try:
            _expand_into(key, secret, _HPKE, b"key", context)
            # XORed with sequence number 0 it stays what it is (RFC 9180, 5.2).
            nonce = _expand(secret, _HPKE, b"base_nonce", context, _NONCE_SIZE)
            AESGCM(key.expose()).decrypt_into(nonce, sealed.ciphertext, None, block.writable())
        except InvalidTag:
            # What was written before the tag was found wrong is plaintext nobody vouches for.
            block.wipe()
            raise ValueError("the tag of the sealed block is wrong") from None
        finally:
            key.wipe()
        return block

    def _decapsulate(self, enc: bytes) -> bytes:
        """The shared secret of the KEM (RFC 9180, 4.1, Decap)."""
        # Not on the curve: ValueError, and an exchange with it never takes place.
        sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), enc)
        prk = _extract(_ZEROS, _KEM, b"eae_prk", self._private.exchange(ec.ECDH(), sender))
        return _expand(prk, _KEM, b"shared_secret", enc + self.public, _HASH_SIZE)


def _extract(salt: bytes, suite: bytes, label: bytes, ikm: bytes) -> bytes:
    """LabeledExtract (RFC 9180, 4)."""
    return hmac.digest(salt, b"HPKE-v1" + suite + label + ikm, "sha256")


def _expand(prk: bytes, suite: bytes, label: bytes, info: bytes, size: int) -> bytes:
    """LabeledExpand (RFC 9180, 4)."""
    return _expander(suite, label, info, size).derive(prk)


def _expand_into(target: Secret, prk: bytes, suite: bytes, label: bytes, info: bytes) -> None:
    """LabeledExpand into a secret, as long as that is."""
    _expander(suite, label, info, len(target)).derive_into(prk, target.writable())


def _expander(suite: bytes, label: bytes, info: bytes, size: int) -> HKDFExpand:
    labeled = size.to_bytes(2) + b"HPKE-v1" + suite + label + info
    return HKDFExpand(hashes.SHA256(), size, labeled)
