"""What a crypto path is: AES primitives below, whole sessions above.

Two levels, because the paths differ in where the keys live. The Python paths implement
:class:`Aes`, and `kfasync.core.scp03` builds :class:`CryptoPath` on top of it. A path that
keeps the keys to itself implements :class:`CryptoPath` directly and a whole fob costs it
one call.
"""

from collections.abc import Sequence
from typing import Protocol

from kfasync.model import Item, KeySet, Opening, SessionFacts, StoreDataPlan
from kfasync.secret import Secret

# What a vault says of what it cannot read, whichever reads it.
NOT_PKCS8 = (
    "not one P-256 key as PKCS#8 in DER, without a password and with nothing after it; convert it"
)
NOT_BASE64 = "not base64 with its padding and without a line break"


class CmacKey(Protocol):
    """An AES key that does CMAC: all that a key derivation asks for, and all that a token gives."""

    def cmac(self, message: bytes) -> bytes:
        """All 16 bytes of AES-CMAC (NIST SP 800-38B, 6.2)."""
        ...


class AesKey(CmacKey, Protocol):
    """One AES key, expanded once and used many times."""

    @property
    def bits(self) -> int:
        """Key length: 128, 192 or 256."""
        ...

    def encrypt_block(self, block: bytes) -> bytes:
        """AES of one block of 16 bytes (FIPS 197)."""
        ...

    def encrypt_cbc(self, icv: bytes, plain: bytes) -> bytes:
        """CBC without padding (NIST SP 800-38A, 6.2); whole blocks only."""
        ...

    def decrypt_cbc(self, icv: bytes, cipher: bytes) -> bytes:
        """Inverse of :meth:`encrypt_cbc`."""
        ...


class Aes(Protocol):
    """A maker of AES keys."""

    @property
    def name(self) -> str:
        """As the configuration and the record call it."""
        ...

    def key(self, secret: Secret) -> AesKey:
        """Expand a key of 16, 24 or 32 bytes; ValueError for any other length."""
        ...


class SecureChannel(Protocol):
    """One open SCP03 session; every failure kills it for good."""

    @property
    def facts(self) -> SessionFacts:
        """What the card said of itself."""
        ...

    @property
    def external_authenticate(self) -> bytes:
        """The EXTERNAL AUTHENTICATE command, with its C-MAC; answered by a bare status word."""
        ...

    def wrap(self, commands: Sequence[bytes]) -> list[bytes]:
        """Secure plain commands, in the order in which they will be sent."""
        ...

    def wrap_store_data(self, items: Sequence[Item], plan: StoreDataPlan) -> list[bytes]:
        """Encode, encrypt under the DEK, cut and secure a fob's items; the empty last block too."""
        ...

    def unwrap(self, answer: bytes) -> bytes:
        """Verify and open the answer to the oldest command that has none yet.

        Args and result are data field || SW1 || SW2. A refusal by the card (a status word
        other than 9000, 62xx, 63xx) carries no R-MAC and comes back as it is.

        Raises:
            ResponseMacError: the R-MAC is missing or wrong.
            ChannelError: the channel is dead, or the answer cannot be opened.
        """
        ...

    def close(self) -> None:
        """Forget the session keys; the channel is dead."""
        ...


class KeySlot(Protocol):
    """One fob's static keys, wherever the path keeps them, and its one session.

    Opening a session closes the one before, as it does on the card.
    """

    def open_session(self, opening: Opening) -> SecureChannel:
        """Derive the session keys and verify the card (GP Amendment D v1.2, 6.2.2).

        Raises:
            AnswerFormatError: the answer fits no layout that was asked for.
            CapabilityError: another key version, or the card lacks what is asked of it.
            CryptogramError: no layout gives a card cryptogram that verifies.
        """
        ...

    def open_and_wrap(
        self, opening: Opening, items: Sequence[Item], plan: StoreDataPlan
    ) -> tuple[SecureChannel, list[bytes]]:
        """A whole fob at once: :meth:`open_session`, then ``wrap_store_data``."""
        ...

    def wipe(self) -> None:
        """Forget the static keys, and the session with them."""
        ...


class Vault(Protocol):
    """Where a fob's secrets are kept, and how they are read out of what brings them.

    A path with memory of its own keeps them there from the first byte on; the others keep
    them on Python's heap, and say so.
    """

    def secret(self, size: int) -> Secret:
        """That many zeros, to be filled through :meth:`kfasync.secret.Secret.writable`."""
        ...

    def scalar(self, pkcs8: Secret) -> tuple[Secret, bytes]:
        """The scalar of an unencrypted P-256 key as PKCS#8 (RFC 5208, 5; RFC 5915, 3).

        Returns:
            The scalar, 32 bytes big-endian, and its public point, 04 || X || Y. That they
            belong together has been computed, whatever the file says.

        Raises:
            ValueError: it is not such a key.
        """
        ...

    def base64(self, text: Secret) -> Secret:
        """What base64 with padding and without a line break stands for (RFC 4648, 4).

        Raises:
            ValueError: it is something else.
        """
        ...


class CryptoPath(Protocol):
    """A way of doing a fob's cryptography."""

    @property
    def name(self) -> str:
        """As the configuration and the record call it."""
        ...

    @property
    def vault(self) -> Vault:
        """Where the secrets are kept that this path works on."""
        ...

    def load(self, keys: KeySet) -> KeySlot:
        """Take one fob's static keys in.

        Raises:
            KeyCheckError: a key has another check value than the one it came with. Found
                here, before the first command, a wrong key never costs a try on the card.
        """
        ...
