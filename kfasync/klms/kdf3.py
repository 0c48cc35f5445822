"""KDF3: the static keys of one fob, from a master key and the fob's UID.

    CMAC(master, counter || 000000 xx || 00 || UID || L)      xx = 01 ENC, 02 MAC, 03 DEK

Counter mode of NIST SP 800-108r1, 4.1, with one byte of counter in front. Whether the length L
stands at the end, and how a UID of fewer than 10 bytes is padded, differs between key servers:
both are switches.
"""

import enum
from typing import Literal, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from kfasync.contracts.crypto import CmacKey
from kfasync.core.kdf import kbkdf
from kfasync.model import KeyCheckValues, KeySet
from kfasync.secret import Secret

UID_SIZE = 10  # what padding pads to: the triple-size UID of ISO/IEC 14443-3
KEY_SIZES = (16, 24, 32)
_ENC, _MAC, _DEK = 1, 2, 3
_CHECK = b"\x01" * 16  # GP Card Specification 2.3.1, B.6
_CHECK_SIZE = 3


class UidPadding(enum.Enum):
    """On which side a short UID gets zeros."""

    RAW = "raw"
    LEFT = "left"
    RIGHT = "right"

    def pad(self, uid: bytes) -> bytes:
        """The UID as the derivation takes it."""
        if self is UidPadding.LEFT:
            return uid.rjust(UID_SIZE, b"\x00")
        return uid.ljust(UID_SIZE, b"\x00") if self is UidPadding.RIGHT else uid


class MasterKey(CmacKey, Protocol):
    """Where the master key is, and how long it is; the key itself is not asked for."""

    @property
    def key_store(self) -> Literal["memory", "pkcs11"]:
        """As the capabilities call it."""
        ...

    @property
    def size(self) -> int:
        """16, 24 or 32 bytes. Derived keys are as long."""
        ...


class MemoryKey:
    """A :class:`MasterKey` in this process.

    Raises:
        ValueError: it is not as long as an AES key.
    """

    def __init__(self, key: Secret) -> None:
        if len(key) not in KEY_SIZES:
            raise ValueError(f"a master key has 16, 24 or 32 bytes, not {len(key)}")
        self._key = key

    @property
    def key_store(self) -> Literal["memory", "pkcs11"]:
        """In this process."""
        return "memory"

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self._key)

    def cmac(self, message: bytes) -> bytes:
        """AES-CMAC."""
        mac = CMAC(algorithms.AES(bytes(self._key.expose())))
        mac.update(message)
        return mac.finalize()


class Kdf3:
    """Derives the key sets of fobs.

    Args:
        kvn: version number of the static keys on the fobs.
        length_field: whether L, the bits of the key in two bytes, stands at the end.
    """

    def __init__(
        self, master: MasterKey, *, kvn: int, padding: UidPadding, length_field: bool
    ) -> None:
        self._master = master
        self._kvn = kvn
        self._padding = padding
        self._length_field = length_field

    def derive(self, uid: bytes) -> KeySet:
        """The static keys of one fob, with their check values."""
        enc, mac, dek = (self._key(uid, key_id) for key_id in (_ENC, _MAC, _DEK))
        kcv = KeyCheckValues(*(check_value(key) for key in (enc, mac, dek)))
        return KeySet(self._kvn, Secret(enc), Secret(mac), Secret(dek), kcv)

    def _key(self, uid: bytes, key_id: int) -> bytes:
        bits = 8 * self._master.size
        length = bits.to_bytes(2) if self._length_field else b""
        fixed = bytes((0, 0, 0, key_id, 0)) + self._padding.pad(uid) + length
        return kbkdf(self._master, b"", fixed, bits=bits)


def check_value(key: bytes) -> bytes:
    """The first 3 bytes of AES over 16 bytes of 01 (GP Card Specification 2.3.1, B.6)."""
    # One block of a constant: ECB is the definition here, not a mode for data.
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    return (encryptor.update(_CHECK) + encryptor.finalize())[:_CHECK_SIZE]
