"""The work that is measured: the session and the content of one fob, always the same.

Content of the sizes of the fixture fob, because sizes decide how many commands it takes:
1,709 bytes of DGIs in 10 STORE DATA commands and the empty last one. Keys and content are
made up; what the card says is said by a simulated fob.
"""

import hashlib
from collections.abc import Iterable

import msgspec

from kfasync.contracts.crypto import CryptoPath
from kfasync.core import dgi
from kfasync.core.profile import CardProfile
from kfasync.core.scp03 import key_check_value
from kfasync.crypto.choose import choose
from kfasync.crypto.openssl import OpensslAes
from kfasync.errors import CryptoPathError
from kfasync.model import Item, KeyCheckValues, KeySet, Opening, StoreDataPlan
from kfasync.secret import Secret
from kfasync.sim.fob import KEY_FOB_AID, SimulatedFob

# DGI, size of its value, whether it goes under the DEK; in the order of the containers' source.
_SIZES = (
    (dgi.Dgi.PRIVATE_KEY, 32, True),
    (dgi.Dgi.SPID, 40, False),
    (dgi.Dgi.DEVICE_CERTIFICATE, 424, False),
    (dgi.Dgi.ICA, 435, False),
    (dgi.Dgi.CMS_ROOT, 722, False),
    (dgi.Dgi.IRK, 16, False),
)
_UID = bytes.fromhex("04112233445566")
_HOST_CHALLENGE = bytes.fromhex("A5C3E1F00F1E3C5A")
_HEADER = 5  # CLA INS P1 P2 Lc
_BLOCK = 16  # of AES, and the MAC chaining value's size


class Task(msgspec.Struct, frozen=True):
    """One fob's keys, its answer to INITIALIZE UPDATE, and its content."""

    keys: KeySet
    opening: Opening
    items: tuple[Item, ...]
    plan: StoreDataPlan

    def by_product(self, path: CryptoPath) -> list[bytes]:
        """EXTERNAL AUTHENTICATE and STORE DATA, made as :mod:`kfasync.core.flow` has them made."""
        slot = path.load(self.keys)
        try:
            channel, commands = slot.open_and_wrap(self.opening, self.items, self.plan)
            return [channel.external_authenticate, *commands]
        finally:
            slot.wipe()

    def check(self, commands: Iterable[bytes], who: str) -> None:
        """Raise CryptoPathError unless these are the commands, byte for byte.

        Work that comes out wrong may be as fast as it likes.
        """
        if b"".join(commands) != b"".join(self.by_product(choose(OpensslAes.name))):
            raise CryptoPathError(f"{who} says something else to the card than the other paths do")

    @property
    def stream_bytes(self) -> int:
        """Bytes of all DGIs with their headers."""
        return sum(length - _HEADER for length in self.mac_lengths)

    @property
    def mac_lengths(self) -> list[int]:
        """Bytes of header and data of each STORE DATA command, as its C-MAC is over them."""
        commands = dgi.store_data(self.items, self.plan, encrypt=lambda padded: padded)
        return [_HEADER + len(command.data) for command in commands]

    @property
    def serial_blocks(self) -> int:
        """AES blocks of the C-MAC chain of the STORE DATA commands, each needing the last.

        A C-MAC is over MAC chaining value || header || data (GP Amendment D v1.2, 6.2.4), and
        all 16 bytes of it are the next chaining value.
        """
        return sum(_blocks(_BLOCK + length) for length in self.mac_lengths)

    @property
    def fob_serial_blocks(self) -> int:
        """AES blocks of the whole fob, from the static keys on, each needing the last.

        S-MAC is a CMAC over 16 fixed bytes and both challenges (4.1.5), the host cryptogram one
        more under S-MAC; EXTERNAL AUTHENTICATE carries it, and its C-MAC begins the chain.
        """
        mode = _BLOCK // 2  # S8: of challenges, cryptograms and MACs
        derivation = _blocks(_BLOCK + 2 * mode)
        return 2 * derivation + _blocks(_BLOCK + _HEADER + mode) + self.serial_blocks


def fob() -> SimulatedFob:
    """The simulated fob that the task is for, as it was before the task's session."""
    return SimulatedFob(uid=_UID, keys=_keys())


def task() -> Task:
    """The task, made anew with the same bytes as ever."""
    profile = CardProfile()
    card = fob()
    card.transmit(b"\x00\xa4\x04\x00" + bytes((len(KEY_FOB_AID),)) + KEY_FOB_AID + b"\x00")
    answer = card.transmit(
        b"\x80\x50" + bytes((profile.key_version, 0, 8)) + _HOST_CHALLENGE + b"\x00"
    )
    opening = Opening(
        host_challenge=_HOST_CHALLENGE,
        answer=answer[:-2],
        key_version=profile.key_version,
        security_level=profile.level,
        scp03_mode=profile.scp03_mode,
        layouts=profile.layouts,
        aid=card.instance_aid,
    )
    content = hashlib.shake_256(b"content").digest(sum(size for _, size, _ in _SIZES))
    items, at = [], 0
    for tag, size, under_dek in _SIZES:
        value = content[at : at + size]
        items.append(Item(tag, Secret(value) if under_dek else value, under_dek=under_dek))
        at += size
    return Task(_keys(), opening, tuple(items), profile.plan)


def _blocks(size: int) -> int:
    return -(-size // _BLOCK)


def _keys() -> KeySet:
    made = hashlib.shake_256(b"keys").digest(48)
    enc, mac, dek = (Secret(made[at : at + 16]) for at in (0, 16, 32))
    kcv = (key_check_value(OpensslAes().key(key)) for key in (enc, mac, dek))
    return KeySet(255, enc, mac, dek, KeyCheckValues(*kcv))
