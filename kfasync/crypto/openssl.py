"""AES by way of pyca/cryptography, that is OpenSSL."""

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

from kfasync.secret import Secret


class OpensslKey:
    """One AES key, with its CMAC keyed once."""

    __slots__ = ("_aes", "_cmac", "bits")

    def __init__(self, key: bytes) -> None:
        self._aes = AES(key)
        self._cmac = CMAC(self._aes)
        self.bits = self._aes.key_size

    def encrypt_block(self, block: bytes) -> bytes:
        """AES of one block (FIPS 197, 5.1)."""
        if len(block) != 16:
            raise ValueError(f"a block has 16 bytes, not {len(block)}")
        return Cipher(self._aes, ECB()).encryptor().update(block)  # noqa: S305  # one block

    def encrypt_cbc(self, icv: bytes, plain: bytes) -> bytes:
        """CBC without padding (NIST SP 800-38A, 6.2)."""
        context = Cipher(self._aes, CBC(icv)).encryptor()
        return context.update(plain) + context.finalize()

    def decrypt_cbc(self, icv: bytes, cipher: bytes) -> bytes:
        """CBC decryption without padding (NIST SP 800-38A, 6.2)."""
        context = Cipher(self._aes, CBC(icv)).decryptor()
        return context.update(cipher) + context.finalize()

    def cmac(self, message: bytes) -> bytes:
        """All 16 bytes of CMAC (NIST SP 800-38B, 6.2)."""
        # Keying a CMAC costs four times what copying a keyed one does.
        mac = self._cmac.copy()
        mac.update(message)
        return mac.finalize()

    def __repr__(self) -> str:
        return f"OpensslKey({self.bits} bits)"


class OpensslAes:
    """Maker of :class:`OpensslKey`."""

    name = "cryptography"

    def key(self, secret: Secret) -> OpensslKey:
        """Expand a key; ValueError unless it has 16, 24 or 32 bytes."""
        if len(secret) not in (16, 24, 32):
            # AES of pyca also takes XTS's 64 bytes.
            raise ValueError(f"an AES key has 16, 24 or 32 bytes, not {len(secret)}")
        # AES keeps what it is given and reads it again for every cipher: a view would turn to
        # zeros with the secret.
        return OpensslKey(bytes(secret.expose()))
