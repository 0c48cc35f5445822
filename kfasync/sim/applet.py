"""KeyFobApplet: the application on the fob, behind SELECT and behind SCP03.

    UNPERSONALIZED --- last STORE DATA, everything there and consistent ---> FACTORY

What is written survives a reset; the session and what it has gathered do not.
"""

import enum
import secrets
from collections.abc import Callable

import msgspec

from kfasync.model import KeySet, Layout, Scp03Mode
from kfasync.secret import Secret
from kfasync.sim.channel import (
    CardChannel,
    IParam,
    context_of,
    levels_of,
    pseudo_random_challenge,
    size_of,
)
from kfasync.sim.command import Command, Refusal, Sw
from kfasync.sim.faults import FaultKind, FaultPlan
from kfasync.sim.personalization import Dgi, Personalization

SCP_IDENTIFIER = 0x03
SEQUENCE_COUNTER_MAX = 0xFFFFFF
SECURED = 0x84  # CLA of a command under secure messaging
EXTERNAL_AUTHENTICATE = 0x82
GET_DATA = 0xCA


class Lifecycle(enum.Enum):
    """State of the application; there is no way back."""

    UNPERSONALIZED = "unpersonalized"
    FACTORY = "factory"


class Transport(enum.Enum):
    """Transports that a personalized fob can be told to use; the value is the command's data."""

    UICC = bytes.fromhex("0A0101")
    BLE = bytes.fromhex("0B0101")


class AppletFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What an applet is made with; :class:`~kfasync.sim.fob.SimulatedFob` says what each is."""

    aid: bytes
    keys: KeySet
    kvn: int
    scp03_mode: Scp03Mode
    layout: Layout
    i_param: int
    key_diversification_data: bytes
    cplc: bytes
    tries: int
    store_data_p1: tuple[int, int]

    def __post_init__(self) -> None:
        if not 5 <= len(self.aid) <= 16:
            raise ValueError("an AID has 5 to 16 bytes (ISO/IEC 7816-4, 12.2.3)")
        if not 1 <= self.kvn <= 0xFF:
            raise ValueError("a key version is 1 to 255")
        if bool(self.i_param & IParam.S16) != (self.scp03_mode is Scp03Mode.S16):
            raise ValueError("bit 1 of the i parameter and the mode contradict each other")
        if len(self.key_diversification_data) != 10 or len(self.cplc) != 42:
            raise ValueError("key diversification data have 10 bytes, CPLC data 42")
        if not 1 <= self.tries <= 15:
            raise ValueError("63Cx can count 1 to 15 tries")
        if self.layout is Layout.GP_WITH_REV3_CONTEXT and not self.is_challenge_pseudo_random:
            # The answer then has no sequence counter, and no host could know the context.
            raise ValueError("a rev3 context needs a sequence counter in the answer")

    @property
    def is_challenge_pseudo_random(self) -> bool:
        """Whether a host can recompute the card challenge."""
        return bool(self.i_param & IParam.PSEUDO_RANDOM_CHALLENGE)


class KeyFobApplet:
    """The application.

    Args:
        sequence_counter: as the previous session left it.
        counts_begun: whether a session counts from INITIALIZE UPDATE on, or only when it was
            authenticated; cards do either.
    """

    def __init__(
        self,
        facts: AppletFacts,
        plan: FaultPlan,
        *,
        sequence_counter: int = 0,
        counts_begun: bool = True,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.sequence_counter = sequence_counter
        self._counts_begun = counts_begun
        self.tries_left = facts.tries
        self.lifecycle = Lifecycle.UNPERSONALIZED
        self.personalizations = 0
        self.stored: dict[Dgi, Secret] = {}
        self.transports: set[Transport] = set()
        self.written = 0  # bytes, by the last command
        # A chip has its own keys: the caller may wipe what it gave.
        self._facts = msgspec.structs.replace(facts, keys=_copy(facts.keys))
        self._plan = plan
        self._random = random
        self._channel: CardChannel | None = None
        self._gathered = Personalization()

    def reset(self) -> None:
        """Power lost, or another SELECT: the session ends, and its half-written data with it."""
        self._channel = None
        self._gathered = Personalization()

    def secures(self, command: Command) -> bool:
        """Whether this command is for the open session to unwrap."""
        return (
            command.cla == SECURED
            and command.ins != EXTERNAL_AUTHENTICATE
            and self._channel is not None
            and self._channel.level is not None
        )

    def execute(self, command: Command) -> tuple[bytes, int]:
        """Carry one command out; the answer's data field and status word.

        Raises:
            Refusal: with the status word to answer.
        """
        match command.cla, command.ins:
            case 0x80, 0x50:
                return self._initialize_update(command), Sw.OK
            case 0x84, 0x82:
                self._external_authenticate(command)
                return b"", Sw.OK
            case 0x84, _:
                return self._secured(command)
            case 0x80, 0x82 | 0xE2:
                raise Refusal(Sw.SECURITY_STATUS_NOT_SATISFIED)
            case 0x00, 0xDB:
                self._enable_transport(command)
                return b"", Sw.OK
            case _:
                raise Refusal(Sw.INS_NOT_SUPPORTED)

    def fci(self) -> bytes:
        """File control information (GP Card Spec 2.3.1, 11.9.3.1)."""
        # A5: proprietary, 9F65: longest command data field.
        return _tlv(0x6F, _tlv(0x84, self._facts.aid) + bytes.fromhex("A5049F6501FF"))

    def get_data(self, command: Command) -> bytes:
        """GET DATA: the card production life cycle data, and nothing else."""
        if (command.p1, command.p2) != (0x9F, 0x7F):
            raise Refusal(Sw.KEY_NOT_FOUND)
        return bytes.fromhex("9F7F2A") + self._facts.cplc

    def answer_length(self, command: Command) -> int:
        """Bytes of data field that this command's success would have."""
        if self.secures(command) and self._channel is not None:
            plain = len(self._facts.cplc) + 3 if command.ins == GET_DATA else 0
            return self._channel.wrapped_length(plain)
        if (command.cla, command.ins) == (0x80, 0x50):
            return len(self._update_answer(bytes(3), b"", b"")) + 2 * size_of(
                self._facts.scp03_mode
            )
        return 0

    def _initialize_update(self, command: Command) -> bytes:
        """INITIALIZE UPDATE (GP Amendment D v1.2, 7.1.1)."""
        facts = self._facts
        self.reset()  # whatever comes of it, the old session is over
        if command.p1 not in (0, facts.kvn):
            raise Refusal(Sw.KEY_NOT_FOUND)
        if command.p2 != 0:
            raise Refusal(Sw.WRONG_P1_P2)
        if len(command.data) != size_of(facts.scp03_mode):
            raise Refusal(Sw.WRONG_LENGTH)
        if self.tries_left == 0:
            raise Refusal(Sw.KEY_LOCKED)
        if self.sequence_counter == SEQUENCE_COUNTER_MAX:
            # Going round to 0 would bring old challenges, and old session keys, back.
            raise Refusal(Sw.CONDITIONS_NOT_SATISFIED)
        number = self.sequence_counter + 1
        if self._counts_begun:
            self.sequence_counter = number
        counter = number.to_bytes(3)
        if facts.is_challenge_pseudo_random:
            challenge = pseudo_random_challenge(
                facts.keys.enc, counter, facts.aid, facts.scp03_mode
            )
        else:
            challenge = self._random(size_of(facts.scp03_mode))
        context = context_of(facts.layout, counter, command.data, challenge)
        self._channel = CardChannel(facts.keys.enc, facts.keys.mac, context, facts.scp03_mode)
        cryptogram = self._channel.card_cryptogram()
        if self._plan.now(FaultKind.WRONG_CRYPTOGRAM):
            cryptogram = _flip(cryptogram)
        return self._update_answer(counter, challenge, cryptogram)

    def _update_answer(self, counter: bytes, challenge: bytes, cryptogram: bytes) -> bytes:
        facts = self._facts
        if facts.layout in (Layout.REV3, Layout.REV3_WITH_GP_CONTEXT):
            information = bytes((SCP_IDENTIFIER,)) + counter + facts.kvn.to_bytes(2)
            counter = b""
        else:
            information = bytes((facts.kvn, SCP_IDENTIFIER, facts.i_param))
            counter = counter if facts.is_challenge_pseudo_random else b""
        return facts.key_diversification_data + information + challenge + cryptogram + counter

    def _external_authenticate(self, command: Command) -> None:
        """EXTERNAL AUTHENTICATE (GP Amendment D v1.2, 7.1.2)."""
        channel = self._channel
        if channel is None or not channel.alive or channel.level is not None:
            raise Refusal(Sw.CONDITIONS_NOT_SATISFIED)
        try:
            channel.authenticate(command, levels_of(self._facts.i_param))
        except Refusal as refusal:
            if refusal.sw != Sw.SECURITY_STATUS_NOT_SATISFIED:
                raise
            self.tries_left -= 1
            raise Refusal(Sw.AUTHENTICATION_FAILED + self.tries_left) from refusal
        self.tries_left = self._facts.tries
        if not self._counts_begun:
            self.sequence_counter += 1

    def _secured(self, command: Command) -> tuple[bytes, int]:
        if self._channel is None:
            raise Refusal(Sw.SECURITY_STATUS_NOT_SATISFIED)
        plain = self._channel.unwrap(command)
        sw: int = Sw.OK
        data = b""
        try:
            if fault := self._plan.now(FaultKind.STATUS_WORD):
                sw = fault.sw
            else:
                data = self._secured_ins(plain)
        except Refusal as refusal:
            sw = refusal.sw
        data, r_mac = self._channel.wrap(data, sw)
        if r_mac and self._plan.now(FaultKind.NO_R_MAC):
            r_mac = b""
        if r_mac and self._plan.now(FaultKind.WRONG_R_MAC):
            r_mac = _flip(r_mac)
        return data + r_mac, sw

    def _secured_ins(self, plain: Command) -> bytes:
        match plain.ins:
            case 0xE2:
                self._store_data(plain)
                return b""
            case 0xCA:
                return self.get_data(plain)
            case _:
                raise Refusal(Sw.INS_NOT_SUPPORTED)

    def _store_data(self, command: Command) -> None:
        """STORE DATA (GP Card Spec 2.3.1, 11.11.2)."""
        if self.lifecycle is not Lifecycle.UNPERSONALIZED:
            raise Refusal(Sw.CONDITIONS_NOT_SATISFIED)
        if command.p1 not in self._facts.store_data_p1:
            raise Refusal(Sw.WRONG_P1_P2)
        self._gathered.take(command.p2, command.data)
        self.written = len(command.data)
        if command.p1 != self._facts.store_data_p1[1]:
            return
        gathered, self._gathered = self._gathered, Personalization()
        # One assignment after the last thing that can fail: all of it, or none of it.
        self.stored = gathered.finish(self._facts.keys.dek)
        self.lifecycle = Lifecycle.FACTORY
        self.personalizations += 1

    def _enable_transport(self, command: Command) -> None:
        """The command that a personalized fob takes outside secure messaging."""
        if (command.p1, command.p2) != (0, 0):
            raise Refusal(Sw.WRONG_P1_P2)
        if self.lifecycle is not Lifecycle.FACTORY:
            raise Refusal(Sw.CONDITIONS_NOT_SATISFIED)
        try:
            self.transports.add(Transport(command.data))
        except ValueError as error:
            raise Refusal(Sw.WRONG_DATA) from error


def _copy(keys: KeySet) -> KeySet:
    enc, mac, dek = (Secret(key.expose()) for key in (keys.enc, keys.mac, keys.dek))
    return msgspec.structs.replace(keys, enc=enc, mac=mac, dek=dek)


def _flip(code: bytes) -> bytes:
    return code[:-1] + bytes((code[-1] ^ 0x01,))


def _tlv(tag: int, value: bytes) -> bytes:
    return bytes((tag, len(value))) + value
