"""CardChannel: the card's side of SCP03 (GP Amendment D v1.2).

A second reading of the amendment, on `cryptography` alone. It shares no line with the
host's channel, for two sides with one mistake in common understand each other perfectly.
"""

import enum
import hmac
from typing import NoReturn

from cryptography.hazmat.primitives import cmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kfasync.model import Layout, Scp03Mode, SecurityLevel
from kfasync.secret import Secret
from kfasync.sim.command import Command, Refusal, Sw

BLOCK = 16  # AES
SECURE_MESSAGING = 0x04  # bit 3 of CLA (GP Card Spec 2.3.1, 11.1.4)


class Derived(enum.IntEnum):
    """Derivation constants (GP Amendment D v1.2, table 4-1)."""

    CARD_CRYPTOGRAM = 0x00
    HOST_CRYPTOGRAM = 0x01
    CARD_CHALLENGE = 0x02
    S_ENC = 0x04
    S_MAC = 0x06
    S_RMAC = 0x07


class IParam(enum.IntFlag):
    """The bits of the parameter i (GP Amendment D v1.2, table 5-1)."""

    S16 = 0x01
    PSEUDO_RANDOM_CHALLENGE = 0x10
    R_MAC = 0x20
    R_ENCRYPTION = 0x40  # only together with R_MAC


def mac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC, all 16 bytes (NIST SP 800-38B)."""
    code = cmac.CMAC(algorithms.AES(key))
    code.update(message)
    return code.finalize()


def derive(key: bytes, constant: int, context: bytes, *, bits: int) -> bytes:
    """One key, cryptogram or challenge (GP Amendment D v1.2, 4.1.5).

    Args:
        key: Key-ENC or Key-MAC for session keys, Key-ENC for the challenge, S-MAC for
            cryptograms.
        bits: the length L of what is derived.
    """
    out = b""
    for counter in range(1, -(-bits // 128) + 1):
        # The counter stands after L. NIST SP 800-108 leaves its place open and most
        # libraries put it first, which derives keys that no card knows.
        block = bytes(11) + bytes((constant, 0)) + bits.to_bytes(2) + bytes((counter,))
        out += mac(key, block + context)
    return out[: bits // 8]


def size_of(mode: Scp03Mode) -> int:
    """Bytes of a challenge, a cryptogram and a MAC on the wire (GP Amendment D v1.2, 5.1)."""
    return 16 if mode is Scp03Mode.S16 else 8


def pseudo_random_challenge(
    key_enc: Secret, sequence_counter: bytes, aid: bytes, mode: Scp03Mode
) -> bytes:
    """The card challenge that a host can recompute (GP Amendment D v1.2, 6.2.2.1)."""
    bits = 8 * size_of(mode)
    context = sequence_counter + aid
    return derive(bytes(key_enc.expose()), Derived.CARD_CHALLENGE, context, bits=bits)


def context_of(layout: Layout, sequence_counter: bytes, host: bytes, card: bytes) -> bytes:
    """What session keys and cryptograms are derived over (GP Amendment D v1.2, 6.2.1).

    The older cards that the two rev3 contexts stand for put the sequence counter in front.
    """
    if layout in (Layout.REV3, Layout.GP_WITH_REV3_CONTEXT):
        return sequence_counter + host + card
    return host + card


def levels_of(i_param: int) -> frozenset[SecurityLevel]:
    """The security levels that a card with this i announces (GP Amendment D v1.2, table 5-1)."""
    levels = {SecurityLevel.C_MAC, SecurityLevel.C_MAC_C_DECRYPTION}
    if i_param & IParam.R_MAC:
        levels |= {SecurityLevel.C_MAC_R_MAC, SecurityLevel.C_MAC_C_DECRYPTION_R_MAC}
        if i_param & IParam.R_ENCRYPTION:
            levels.add(SecurityLevel.C_MAC_C_DECRYPTION_R_MAC_R_ENCRYPTION)
    return frozenset(levels)


def pad(data: bytes) -> bytes:
    """ISO/IEC 9797-1 padding method 2: 80, then zeros to a whole block."""
    return data + b"\x80" + bytes(-(len(data) + 1) % BLOCK)


def unpad(padded: bytes) -> bytes:
    """Take method 2 padding off again.

    Raises:
        Refusal: 6A80, there is no such padding in the last block.
    """
    data, mark, zeros = padded.rpartition(b"\x80")
    if not mark or any(zeros) or len(zeros) >= BLOCK or len(padded) % BLOCK:
        raise Refusal(Sw.WRONG_DATA)
    return data


def decrypt(key: bytes, icv: bytes, data: bytes) -> bytes:
    """AES-CBC, then the padding off.

    Raises:
        Refusal: 6A80, these are not whole blocks, or not padded ones.
    """
    if not data or len(data) % BLOCK:
        raise Refusal(Sw.WRONG_DATA)
    cipher = Cipher(algorithms.AES(key), modes.CBC(icv)).decryptor()
    return unpad(cipher.update(data) + cipher.finalize())


class CardChannel:
    """One secure channel session from INITIALIZE UPDATE on; after a failure it is dead for good.

    Args:
        key_enc: static Key-ENC; key_mac: static Key-MAC.
        context: as :func:`context_of` makes it.
    """

    def __init__(self, key_enc: Secret, key_mac: Secret, context: bytes, mode: Scp03Mode) -> None:
        bits = 8 * len(key_enc)
        static_enc, static_mac = bytes(key_enc.expose()), bytes(key_mac.expose())
        self.size = size_of(mode)
        self.level: SecurityLevel | None = None  # none before EXTERNAL AUTHENTICATE
        self.alive = True
        self._context = context
        self._s_enc = derive(static_enc, Derived.S_ENC, context, bits=bits)
        self._s_mac = derive(static_mac, Derived.S_MAC, context, bits=bits)
        self._s_rmac = derive(static_mac, Derived.S_RMAC, context, bits=bits)
        self._mac_chaining_value = bytes(BLOCK)
        self._counter = 0

    def card_cryptogram(self) -> bytes:
        """What proves the card's keys to the host (GP Amendment D v1.2, 6.2.2.2)."""
        return derive(self._s_mac, Derived.CARD_CRYPTOGRAM, self._context, bits=8 * self.size)

    def authenticate(self, command: Command, levels: frozenset[SecurityLevel]) -> None:
        """EXTERNAL AUTHENTICATE: the host's proof and the first C-MAC (GP Amendment D v1.2, 7.1.2).

        Raises:
            Refusal: 6A86 for a level or P2 that this card does not have, 6700 for other
                lengths, 6982 for a wrong cryptogram or MAC.
        """
        if command.p2 != 0 or command.p1 not in levels:
            self._die(Sw.WRONG_P1_P2)
        if len(command.data) != 2 * self.size:
            self._die(Sw.WRONG_LENGTH)
        cryptogram = derive(self._s_mac, Derived.HOST_CRYPTOGRAM, self._context, bits=8 * self.size)
        # One comparison for both: which of the two was wrong is nobody's business.
        if not hmac.compare_digest(command.data, cryptogram + self._next_c_mac(command)):
            self._die(Sw.SECURITY_STATUS_NOT_SATISFIED)
        self.level = SecurityLevel(command.p1)

    def unwrap(self, command: Command) -> Command:
        """Verify the C-MAC, decrypt, and give back what the host meant (6.2.4 and 6.2.6).

        Raises:
            Refusal: 6982, and the session is dead.
        """
        if not self.alive or self.level is None:
            self._die(Sw.SECURITY_STATUS_NOT_SATISFIED)
        # Counts commands, not encryptions: those without a data field move it as well (6.2.6).
        self._counter += 1
        data, given = command.data[: -self.size], command.data[-self.size :]
        if not hmac.compare_digest(given, self._next_c_mac(command)):
            self._die(Sw.SECURITY_STATUS_NOT_SATISFIED)
        if data and self._has(SecurityLevel.C_MAC_C_DECRYPTION):
            try:
                data = decrypt(self._s_enc, self._icv(0x00), data)
            except Refusal:
                self._die(Sw.SECURITY_STATUS_NOT_SATISFIED)
        return Command(
            command.cla & ~SECURE_MESSAGING,
            command.ins,
            command.p1,
            command.p2,
            lc_field=len(data).to_bytes(len(command.lc_field)) if data else b"",
            data=data,
            le=command.le,
        )

    def wrap(self, data: bytes, sw: int) -> tuple[bytes, bytes]:
        """Data field and R-MAC of an answer, the latter empty where none is due (6.2.5, 6.2.7)."""
        # Only success and the warnings are protected: an error status word goes out bare.
        if not self._has(SecurityLevel.C_MAC_R_MAC) or not (sw == Sw.OK or sw >> 8 in (0x62, 0x63)):
            return data, b""
        if data and self._has(SecurityLevel.C_MAC_C_DECRYPTION_R_MAC_R_ENCRYPTION):
            # The top bit keeps this ICV apart from the command's, which has the same counter.
            cipher = Cipher(algorithms.AES(self._s_enc), modes.CBC(self._icv(0x80))).encryptor()
            data = cipher.update(pad(data)) + cipher.finalize()
        code = mac(self._s_rmac, self._mac_chaining_value + data + sw.to_bytes(2))
        return data, code[: self.size]

    def wrapped_length(self, plain: int) -> int:
        """Bytes that a data field of this length has on the wire, R-MAC included."""
        if not self._has(SecurityLevel.C_MAC_R_MAC):
            return plain
        if plain and self._has(SecurityLevel.C_MAC_C_DECRYPTION_R_MAC_R_ENCRYPTION):
            plain += BLOCK - plain % BLOCK
        return plain + self.size

    def _has(self, level: SecurityLevel) -> bool:
        return self.level is not None and self.level & level == level

    def _icv(self, first: int) -> bytes:
        """AES of the counter block, which says in its first byte which way (6.2.6, 6.2.7)."""
        block = bytes((first,)) + self._counter.to_bytes(BLOCK - 1)
        # ECB of one block is the block cipher itself: the amendment's way to make an ICV.
        cipher = Cipher(algorithms.AES(self._s_enc), modes.ECB()).encryptor()  # noqa: S305  # one block
        return cipher.update(block) + cipher.finalize()

    def _next_c_mac(self, command: Command) -> bytes:
        """The C-MAC this command must carry; it becomes the chaining value (6.2.4)."""
        # CLA and Lc as they came: with the secure messaging bit, and counting the MAC.
        message = command.header + command.lc_field + command.data[: -self.size]
        # All 16 bytes are chained, also where 8 of them are sent.
        self._mac_chaining_value = mac(self._s_mac, self._mac_chaining_value + message)
        return self._mac_chaining_value[: self.size]

    def _die(self, sw: Sw) -> NoReturn:
        self.alive = False
        raise Refusal(sw)
