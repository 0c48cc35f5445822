"""A flow driven by hand: its effects in a list, the simulated fob at the other end."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import pytest

from fixtures import make
from kfasync.contracts.crypto import CryptoPath, KeySlot, SecureChannel
from kfasync.core.effects import (
    Durable,
    Effect,
    Exchange,
    Identified,
    NeedLease,
    WantLease,
    drive,
)
from kfasync.core.flow import Provisioning
from kfasync.core.profile import CardProfile
from kfasync.core.scp03 import SoftwarePath, key_check_value
from kfasync.crypto.heap import HeapVault
from kfasync.crypto.openssl import OpensslAes
from kfasync.errors import ChannelError, KfError, LinkError
from kfasync.model import (
    Earlier,
    Item,
    KeyCheckValues,
    KeySet,
    Layout,
    Lease,
    Opening,
    Scp03Mode,
    SecurityLevel,
    Standing,
    StoreDataPlan,
    Touched,
)
from kfasync.secret import Secret
from kfasync.sim.faults import TornOff
from kfasync.sim.fob import SimulatedFob
from kfasync.sources.container import read_certificates, read_container

E = TypeVar("E", bound=KfError)

PATH = SoftwarePath(OpensslAes(), HeapVault())
UID = bytes.fromhex("04112233445566")
HOST_CHALLENGE = bytes.fromhex("A5C3E1F00F1E3C5A96B4D2F0112233AA")
CONTAINER = read_container(
    make.HERE / "containers" / "1KM0001E-59918C0096F859EC8BF6DA454E2E554A14DD4BD1", HeapVault()
)
CERTIFICATES = read_certificates(make.HERE / "certificates")


def key_set(enc: str, mac: str, dek: str) -> KeySet:
    """A key set with its right check values."""
    keys = {"enc": Secret.from_hex(enc), "mac": Secret.from_hex(mac), "dek": Secret.from_hex(dek)}
    kcv = {part: key_check_value(OpensslAes().key(key)) for part, key in keys.items()}
    return KeySet(kvn=255, **keys, kcv=KeyCheckValues(**kcv))


KEYS = {
    128: key_set(
        "8B4B8D7EC45DFA503A35F6DF8F6BBDD9",
        "42FD95E83821260C5B90463AF7996313",
        "1B988A47AC94632F7020734CA172EED8",
    ),
    192: key_set("11" * 12 + "22" * 12, "33" * 12 + "44" * 12, "55" * 12 + "66" * 12),
    256: key_set("11" * 16 + "22" * 16, "33" * 16 + "44" * 16, "55" * 16 + "66" * 16),
}
NOTHING = Opening(b"", b"", 0, SecurityLevel.C_MAC, Scp03Mode.S8, (Layout.GP,), b"")
SPID = CONTAINER.content.spid.encode("ascii")
STORED = {
    0xA001: SPID,
    0xA002: CONTAINER.device_certificate,
    0xA003: bytes(CONTAINER.scalar.expose()),
    0xA004: CERTIFICATES.ica,
    0xA005: CERTIFICATES.cms_root,
    0xA006: bytes(CONTAINER.irk.expose()),
}
ITEMS = (
    Item(0xA003, CONTAINER.scalar, under_dek=True),
    Item(0xA001, SPID),
    Item(0xA002, CONTAINER.device_certificate),
    Item(0xA004, CERTIFICATES.ica),
    Item(0xA005, CERTIFICATES.cms_root),
    Item(0xA006, CONTAINER.irk),
)


class Recorder:
    """A crypto path that remembers the slots and channels it gave out."""

    def __init__(self, path: CryptoPath) -> None:
        self._path = path
        self.name = path.name
        self.vault = path.vault
        self.slots: list[RecordedSlot] = []

    def load(self, keys: KeySet) -> "RecordedSlot":
        """Take the keys in."""
        slot = RecordedSlot(self._path.load(keys))
        self.slots.append(slot)
        return slot


class RecordedSlot:
    """A slot that remembers what it was asked, and its channels."""

    def __init__(self, slot: KeySlot) -> None:
        self._slot = slot
        self.openings: list[Opening] = []
        self.channels: list[SecureChannel] = []

    def open_session(self, opening: Opening) -> SecureChannel:
        """Open a session."""
        self.openings.append(opening)
        channel = self._slot.open_session(opening)
        self.channels.append(channel)
        return channel

    def open_and_wrap(
        self, opening: Opening, items: Sequence[Item], plan: StoreDataPlan
    ) -> tuple[SecureChannel, list[bytes]]:
        """A whole fob."""
        self.openings.append(opening)
        channel, commands = self._slot.open_and_wrap(opening, items, plan)
        self.channels.append(channel)
        return channel, commands

    def reopen(self) -> None:
        """Ask for a session without a word from the card."""
        self._slot.open_session(NOTHING)

    def wipe(self) -> None:
        """Forget the keys."""
        self._slot.wipe()


class _Enough(Exception):  # noqa: N818  # a test has seen what it wanted to see
    pass


class Attempt:
    """One attempt on one fob.

    Args:
        standing: what earlier attempts may have done, the last of them in the fob's last session.
        forged: answers from somebody else, by the number of the exchange from 1; the fob
            never sees these commands.
        changed: answers that are changed on their way back from the fob.
        failing: what goes wrong in the place of an effect other than an exchange.
    """

    def __init__(
        self,
        fob: SimulatedFob,
        profile: CardProfile | None = None,
        *,
        path: CryptoPath = PATH,
        keys: KeySet = KEYS[128],
        items: Sequence[Item] = ITEMS,
        standing: Touched = Touched.NONE,
        forged: Mapping[int, bytes] | None = None,
        changed: Mapping[int, bytes] | None = None,
        failing: Mapping[str, KfError] | None = None,
        on_its_way: bool = False,
    ) -> None:
        self.on_its_way = on_its_way
        profile = profile or CardProfile()
        challenge = HOST_CHALLENGE[: 16 if profile.scp03_mode is Scp03Mode.S16 else 8]
        self.path = Recorder(path)
        self.state = Provisioning(profile, self.path, atr=fob.atr, host_challenge=challenge)
        self.effects: list[Effect] = []
        self.received: list[bytes] = []
        self.error: KfError | None = None
        self._fob = fob
        self._keys = keys
        self._items = tuple(items)
        known = standing is not Touched.NONE
        data = fob.uid.ljust(10, b"\0")
        earlier = Earlier(fob.sequence_counter, data, fob.atr) if known else None
        self.standing = Standing(standing, earlier)
        self._forged = forged or {}
        self._changed = changed or {}
        self._failing = failing or {}

    def run(self, effects: int | None = None) -> "Attempt":
        """To the end, whichever it is, or to the first effect after so many.

        An error that is not ours comes out.
        """
        self._fob.reset()

        def perform(effect: Effect) -> object:
            self.effects.append(effect)
            if len(self.effects) - 1 == effects:
                raise _Enough
            return self._perform(effect)

        try:
            drive(self.state.run(), perform)
        except _Enough:
            pass
        except KfError as error:
            self.error = error
        return self

    def passed(self) -> "Attempt":
        """Run, and raise whatever went wrong."""
        if (error := self.run().error) is not None:
            raise error
        return self

    def failed(self, error: type[E]) -> E:
        """Run, and what went wrong."""
        found = self.run().error
        assert isinstance(found, error), found
        return found

    def require_secrets_forgotten(self) -> None:
        """Every slot is wiped, every channel closed."""
        for slot in self.path.slots:
            for channel in slot.channels:
                with pytest.raises(ChannelError, match="dead"):
                    channel.wrap([])
            with pytest.raises(ValueError, match="wiped"):
                slot.reopen()

    @property
    def exchanges(self) -> list[Exchange]:
        """What was sent."""
        return [effect for effect in self.effects if isinstance(effect, Exchange)]

    @property
    def words(self) -> list[str]:
        """Every effect in one word: INS, or name, or mark."""
        return [_word(effect) for effect in self.effects]

    def _perform(self, effect: Effect) -> object:
        if failure := self._failing.get(_word(effect)):
            raise failure
        match effect:
            case Exchange(command):
                return self._exchange(command)
            case Identified():
                return self.standing
            case WantLease():
                return self.on_its_way
            case NeedLease(unit):
                return Lease("lease-1", unit, CONTAINER.content, self._keys, self._items, ())
            case Durable():
                return None

    def _exchange(self, command: bytes) -> bytes:
        number = len(self.exchanges)
        if number in self._forged:
            return self._forged[number]
        try:
            answer = self._fob.transmit(command)
        except TornOff as event:
            raise LinkError("the fob left the field") from event
        self.received.append(answer)
        return self._changed.get(number, answer)


def _word(effect: Effect) -> str:
    match effect:
        case Exchange(command):
            return f"{command[1]:02X}"
        case Durable(mark=mark):
            return mark.name
        case _:
            return type(effect).__name__
