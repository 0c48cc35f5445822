"""Secure messaging of SCP03 (GP Amendment D v1.2, 6.2.4 to 6.2.7)."""

import hmac
from collections import deque
from collections.abc import Sequence

import msgspec

from kfasync.contracts.crypto import AesKey
from kfasync.core import dgi
from kfasync.core.apdu import CommandApdu, ResponseApdu
from kfasync.errors import CardError, ChannelError, ResponseMacError
from kfasync.model import Item, SecurityLevel, SessionFacts, StoreDataPlan

BLOCK = 16
CLA_SECURE_MESSAGING = 0x04
C_DECRYPTION = 0x02
R_MAC = 0x10
R_ENCRYPTION = 0x20
RESPONSE_ICV = 0x80


class SessionKeys(msgspec.Struct, frozen=True):
    """The keys of one session, and the static DEK, which SCP03 does not derive further."""

    s_enc: AesKey
    s_mac: AesKey
    s_rmac: AesKey
    dek: AesKey


class Channel:
    """One session, from EXTERNAL AUTHENTICATE on.

    States: OPEN, and DEAD after any failure or refusal; nothing leads back. Commands may be
    wrapped ahead of being sent, because neither the C-MAC chain nor the encryption counter
    depends on an answer; answers are then unwrapped in the same order.
    """

    def __init__(
        self,
        keys: SessionKeys,
        level: SecurityLevel,
        *,
        mac_size: int,
        facts: SessionFacts,
        opening: CommandApdu,
    ) -> None:
        self._keys: SessionKeys | None = keys
        self._level = level
        self._mac_size = mac_size
        self._chain = bytes(BLOCK)
        self._counter = 0
        self._pending: deque[tuple[bytes, int]] = deque()
        self.facts = facts
        self.external_authenticate = self._authenticate(keys, opening).encode()

    def wrap(self, commands: Sequence[bytes]) -> list[bytes]:
        """Secure plain commands, in the order in which they will be sent."""
        keys = self._alive()
        # Read before any is secured: a malformed one must not leave the chain half advanced.
        decoded = [decode(command) for command in commands]
        return [self._secure(keys, command).encode() for command in decoded]

    def wrap_store_data(self, items: Sequence[Item], plan: StoreDataPlan) -> list[bytes]:
        """Secure one fob's items, and the empty last block (GP Card Specification 2.3.1, 11.11)."""
        keys = self._alive()
        commands = dgi.store_data(
            items, plan, encrypt=lambda padded: keys.dek.encrypt_cbc(bytes(BLOCK), padded)
        )
        return [self._secure(keys, command).encode() for command in commands]

    def unwrap(self, answer: bytes) -> bytes:
        """Verify and open the answer to the oldest command that has none yet."""
        keys = self._alive()
        if not self._pending:
            raise all_answered()
        chain, counter = self._pending.popleft()
        try:
            response = ResponseApdu.decode(answer)
            if response.sw != 0x9000 and response.sw1 not in (0x62, 0x63):
                # An error status word carries no R-MAC, and the card has ended the session too.
                self.close()
                return answer
            data = self._open(keys, response, chain, counter)
        except CardError:
            self.close()
            raise
        return ResponseApdu(data, response.sw).encode()

    def close(self) -> None:
        """Forget the keys; the channel is dead for good."""
        self._keys = None
        self._pending.clear()

    def _alive(self) -> SessionKeys:
        if self._keys is None:
            raise dead()
        return self._keys

    def _authenticate(self, keys: SessionKeys, command: CommandApdu) -> CommandApdu:
        """EXTERNAL AUTHENTICATE has a C-MAC at every level and is never encrypted."""
        return self._with_mac(keys, command, command.data)

    def _secure(self, keys: SessionKeys, command: CommandApdu) -> CommandApdu:
        data = command.data
        # The counter counts commands, also those that have nothing to encrypt (6.2.6).
        self._counter += 1
        if self._level & C_DECRYPTION and data:
            data = keys.s_enc.encrypt_cbc(self._icv(keys, self._counter), dgi.pad(data))
        secured = self._with_mac(keys, command, data)
        self._pending.append((self._chain, self._counter))
        return secured

    def _with_mac(self, keys: SessionKeys, command: CommandApdu, data: bytes) -> CommandApdu:
        cla = command.cla | CLA_SECURE_MESSAGING
        header = bytes((cla, command.ins, command.p1, command.p2))
        # Lc already counts the MAC that is about to be appended; Le stays outside (6.2.4).
        lc = command.lc(len(data) + self._mac_size)
        self._chain = keys.s_mac.cmac(self._chain + header + lc + data)
        return CommandApdu(
            cla,
            command.ins,
            command.p1,
            command.p2,
            data=data + self._chain[: self._mac_size],
            le=command.le,
            extended=command.is_extended,
        )

    def _open(self, keys: SessionKeys, response: ResponseApdu, chain: bytes, counter: int) -> bytes:
        data = response.data
        if not self._level & R_MAC:
            return data
        if len(data) < self._mac_size:
            raise no_response_mac(response.sw, self._level)
        cut = len(data) - self._mac_size
        data, mac = data[:cut], data[cut:]
        expected = keys.s_rmac.cmac(chain + data + response.sw.to_bytes(2, "big"))
        if not hmac.compare_digest(expected[: self._mac_size], mac):
            raise wrong_response_mac()
        if not (self._level & R_ENCRYPTION and data):
            return data
        if len(data) % BLOCK:
            raise undecipherable()
        return _unpad(keys.s_enc.decrypt_cbc(self._icv(keys, counter, RESPONSE_ICV), data))

    @staticmethod
    def _icv(keys: SessionKeys, counter: int, first: int = 0x00) -> bytes:
        """The counter, encrypted (6.2.6); of a response with its first byte 80 (6.2.7)."""
        return keys.s_enc.encrypt_block(bytes((first,)) + counter.to_bytes(BLOCK - 1, "big"))


def decode(plain: bytes) -> CommandApdu:
    """Read a command that can be secured; ValueError for any other."""
    command = CommandApdu.decode(plain)
    if command.cla & 0x40:
        raise ValueError(f"CLA {command.cla:02X}: secure messaging is on channels 0 to 3 only")
    return command


def _unpad(padded: bytes) -> bytes:
    """Undo ISO/IEC 9797-1 padding method 2."""
    # More than a block of zeros is accepted: published answers have it, and the R-MAC has
    # already been verified, so nobody learns anything from what is refused here.
    data = padded.rstrip(b"\x00")
    if not data.endswith(b"\x80"):
        raise undecipherable()
    return data[:-1]


# What to say when something is wrong, whichever path found it.


def dead() -> ChannelError:
    """The session is over."""
    return ChannelError("the secure channel is dead; open a new session")


def all_answered() -> ValueError:
    """An answer too many."""
    return ValueError("every wrapped command has been answered already")


def no_response_mac(sw: int, level: SecurityLevel) -> ResponseMacError:
    """A success without an R-MAC, at a level that demands one."""
    return ResponseMacError(
        f"the card answered {sw:04X} without the R-MAC that security level {level:02X} demands; "
        "somebody else may have answered"
    )


def wrong_response_mac() -> ResponseMacError:
    """Another R-MAC than ours."""
    return ResponseMacError("the R-MAC of an answer does not verify: it was changed")


def undecipherable() -> ChannelError:
    """The R-MAC is right, and what it covers is no padded ciphertext."""
    return ChannelError("an encrypted answer is not whole blocks, or its padding is wrong")
