"""AES by itself, for known answers and comparison."""

from collections.abc import Callable

from kfasync._kf_core import ffi, lib
from kfasync.crypto.native.binding import TIERS, checked
from kfasync.secret import Secret

BLOCK = 16


class NativeKey:
    """One AES key for known answers, expanded anew for every call; no key of a fob comes here."""

    def __init__(self, tier: int, key: bytes) -> None:
        self._key = tier, key, len(key)
        self.bits = 8 * len(key)

    def encrypt_block(self, block: bytes) -> bytes:
        """AES of one block (FIPS 197, 5.1)."""
        if len(block) != BLOCK:
            raise ValueError(f"a block has {BLOCK} bytes, not {len(block)}")
        return self._call(lib.kf_encrypt_block, BLOCK, block)

    def encrypt_cbc(self, icv: bytes, plain: bytes) -> bytes:
        """CBC without padding (NIST SP 800-38A, 6.2)."""
        return self._cbc(lib.kf_cbc_encrypt, icv, plain)

    def decrypt_cbc(self, icv: bytes, cipher: bytes) -> bytes:
        """CBC decryption without padding (NIST SP 800-38A, 6.2)."""
        return self._cbc(lib.kf_cbc_decrypt, icv, cipher)

    def cmac(self, message: bytes) -> bytes:
        """All 16 bytes of CMAC (NIST SP 800-38B, 6.2)."""
        return self._call(lib.kf_cmac, BLOCK, message, len(message))

    def _cbc(self, function: Callable[..., int], icv: bytes, data: bytes) -> bytes:
        if len(icv) != BLOCK or len(data) % BLOCK:
            raise ValueError(f"CBC works on whole blocks; {len(icv)} and {len(data)} are none")
        return self._call(function, len(data), icv, data, len(data))

    def _call(self, function: Callable[..., int], size: int, *arguments: object) -> bytes:
        out = ffi.new("uint8_t[]", size)
        checked(function(*self._key, *arguments, out))
        return bytes(ffi.buffer(out))

    def __repr__(self) -> str:
        return f"NativeKey({self.bits} bits)"


class NativeAes:
    """Maker of :class:`NativeKey`."""

    def __init__(self, tier: str) -> None:
        self._tier = TIERS[tier]
        self.name = f"native-{tier}"

    def key(self, secret: Secret) -> NativeKey:
        """Take a key; ValueError unless it has 16, 24 or 32 bytes."""
        if len(secret) not in (16, 24, 32):
            raise ValueError(f"an AES key has 16, 24 or 32 bytes, not {len(secret)}")
        return NativeKey(self._tier, bytes(secret.expose()))
