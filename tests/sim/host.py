"""The other end of the simulated fob's channel, written for these tests only.

It shares the primitives with the card's side, which published vectors vouch for; what it
wraps is checked against published hashes in test_channel.py.
"""

import secrets
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kfasync.model import KeyCheckValues, KeySet, Layout, Scp03Mode, SecurityLevel
from kfasync.secret import Secret
from kfasync.sim.channel import Derived, context_of, decrypt, derive, mac, pad, size_of
from kfasync.sim.fob import KEY_FOB_AID, SimulatedFob

Transmit = Callable[[bytes], bytes]


def key_set(enc: str, mac: str, dek: str, *, kvn: int = 255) -> KeySet:
    """A key set; its check values are nobody's business here."""
    values = KeyCheckValues(enc=bytes(3), mac=bytes(3), dek=bytes(3))
    return KeySet(
        kvn=kvn,
        enc=Secret.from_hex(enc),
        mac=Secret.from_hex(mac),
        dek=Secret.from_hex(dek),
        kcv=values,
    )


KEYS = key_set(
    "8b4b8d7ec45dfa503a35f6df8f6bbdd9",
    "42fd95e83821260c5b90463af7996313",
    "1b988a47ac94632f7020734ca172eed8",
)
SELECT = bytes.fromhex("00A4040005") + KEY_FOB_AID + b"\0"


class Host:
    """One session, seen from the host."""

    def __init__(
        self, keys: KeySet, context: bytes, mode: Scp03Mode, level: int = SecurityLevel.C_MAC
    ) -> None:
        self.size = size_of(mode)
        self.level = level
        enc, mac_key = bytes(keys.enc.expose()), bytes(keys.mac.expose())
        bits = 8 * len(enc)
        self.s_enc = derive(enc, Derived.S_ENC, context, bits=bits)
        self.s_mac = derive(mac_key, Derived.S_MAC, context, bits=bits)
        self.s_rmac = derive(mac_key, Derived.S_RMAC, context, bits=bits)
        self.card_cryptogram = self._cryptogram(Derived.CARD_CRYPTOGRAM, context)
        self.host_cryptogram = self._cryptogram(Derived.HOST_CRYPTOGRAM, context)
        self.chaining_value = bytes(16)
        self.counter = 0

    def external_authenticate(self) -> bytes:
        head = bytes((0x84, 0x82, self.level, 0))
        return self._with_mac(head, self.host_cryptogram, le=b"", wide=False)

    def wrap(self, head: str, data: bytes = b"", *, le: bytes = b"", wide: bool = False) -> bytes:
        """A secured command; ``wide`` makes it an extended one."""
        self.counter += 1
        header = bytes.fromhex(head)
        if data and self.level & 0x02:
            data = self._cbc(0x00, data)
        return self._with_mac(bytes((header[0] | 0x04,)) + header[1:], data, le=le, wide=wide)

    def unwrap(self, answer: bytes) -> tuple[bytes, int]:
        """Data field and status word of an answer whose R-MAC is there and right."""
        data, sw = answer[:-2], int.from_bytes(answer[-2:])
        if not self.level & 0x10 or not (sw == 0x9000 or sw >> 8 in (0x62, 0x63)):
            return data, sw
        data, r_mac = data[: -self.size], data[-self.size :]
        assert r_mac == mac(self.s_rmac, self.chaining_value + data + answer[-2:])[: self.size]
        if data and self.level & 0x20:
            data = decrypt(self.s_enc, self._icv(0x80), data)
        return data, sw

    def _with_mac(self, header: bytes, data: bytes, *, le: bytes, wide: bool) -> bytes:
        lc = len(data) + self.size
        front = header + (b"\0" + lc.to_bytes(2) if wide else bytes((lc,))) + data
        self.chaining_value = mac(self.s_mac, self.chaining_value + front)
        return front + self.chaining_value[: self.size] + le

    def _cryptogram(self, constant: Derived, context: bytes) -> bytes:
        return derive(self.s_mac, constant, context, bits=8 * self.size)

    def _icv(self, first: int) -> bytes:
        cipher = Cipher(algorithms.AES(self.s_enc), modes.ECB()).encryptor()
        return cipher.update(bytes((first,)) + self.counter.to_bytes(15))

    def _cbc(self, first: int, data: bytes) -> bytes:
        cipher = Cipher(algorithms.AES(self.s_enc), modes.CBC(self._icv(first))).encryptor()
        return cipher.update(pad(data))


def initialize_update(
    transmit: Transmit,
    *,
    keys: KeySet = KEYS,
    mode: Scp03Mode = Scp03Mode.S8,
    layout: Layout = Layout.GP,
    level: int = SecurityLevel.C_MAC,
    kvn: int = 0,
) -> Host:
    """SELECT and INITIALIZE UPDATE; the card cryptogram has been verified."""
    size = size_of(mode)
    assert transmit(SELECT)[-2:] == b"\x90\x00"
    host_challenge = secrets.token_bytes(size)
    answer = transmit(bytes((0x80, 0x50, kvn, 0, size)) + host_challenge + b"\0")
    assert answer[-2:] == b"\x90\x00", answer[-2:].hex()
    rev3 = layout in (Layout.REV3, Layout.REV3_WITH_GP_CONTEXT)
    start = 16 if rev3 else 13
    card_challenge = answer[start : start + size]
    card_cryptogram = answer[start + size : start + 2 * size]
    counter = answer[11:14] if rev3 else answer[start + 2 * size : -2]
    context = context_of(layout, counter, host_challenge, card_challenge)
    host = Host(keys, context, mode, level)
    assert card_cryptogram == host.card_cryptogram
    return host


def open_session(
    fob: SimulatedFob,
    level: int = SecurityLevel.C_MAC,
    *,
    mode: Scp03Mode = Scp03Mode.S8,
    layout: Layout = Layout.GP,
    transmit: Transmit | None = None,
) -> Host:
    """A session that is open on both sides."""
    transmit = transmit or fob.transmit
    host = initialize_update(transmit, mode=mode, layout=layout, level=level)
    assert transmit(host.external_authenticate()) == b"\x90\x00"
    return host
