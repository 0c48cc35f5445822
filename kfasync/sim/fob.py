"""SimulatedFob: a key fob with a JCOP-style applet, one command in, one answer out.

No input or output of its own and no clock: the link that it hangs on waits as long as
:meth:`SimulatedFob.seconds` says. This is the fob as a reader sees it: selection, UID, 61xx
and 6Cxx, and what goes wrong. The application is :mod:`kfasync.sim.applet`.
"""

import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from kfasync.model import KeySet, Layout, Scp03Mode
from kfasync.secret import Secret
from kfasync.sim.applet import AppletFacts, KeyFobApplet, Lifecycle, Transport
from kfasync.sim.channel import IParam
from kfasync.sim.command import Command, Refusal, Sw
from kfasync.sim.faults import IMMEDIATE, Fault, FaultKind, FaultPlan, Hung, Timing, TornOff
from kfasync.sim.personalization import Dgi

KEY_FOB_AID = bytes.fromhex("A000000857")
# 3B 8n 80 01, historical bytes "JCOP4", checksum (PC/SC part 3, 3.1.3.2.3.1).
CONTACTLESS_ATR = bytes.fromhex("3B8580014A434F503426")
FULL_I_PARAM = IParam.PSEUDO_RANDOM_CHALLENGE | IParam.R_MAC | IParam.R_ENCRYPTION
CLASSES = (0x00, 0x80, 0x84, 0xFF)
LOG_SIZE = 4096  # a fob that is served for days must not fill the memory


class SimulatedFob:
    """One fob.

    Args:
        uid: 4, 7 or 10 bytes (ISO/IEC 14443-3, 6.5.4).
        keys: the static keys on the card, and their version.
        kvn: what the card says its key version is; default ``keys.kvn``, 255 if that is 0.
        aid: what the application is known by.
        instance_aid: its full name, which begins with ``aid``; SELECT reports it and a
            pseudo-random card challenge is derived from it. Default ``aid`` and 0101 if it fits.
        i_param: default 70 (S8) or 71 (S16), all that SCP03 offers.
        key_diversification_data: 10 bytes; default the UID, filled with zeros.
        cplc: 42 bytes; by default its serial number is made from the UID.
        sequence_counter: as the previous session left it.
        counts_begun: whether a session counts from INITIALIZE UPDATE on, or only when it was
            authenticated.
        tries: wrong host cryptograms in a row that lock the key set, 1 to 15.
        store_data_p1: P1 of STORE DATA, of the blocks before the last and of the last.
        faults: what will go wrong.
        random: source of card challenges that are not pseudo-random.
    """

    def __init__(
        self,
        *,
        uid: bytes,
        keys: KeySet,
        kvn: int | None = None,
        aid: bytes = KEY_FOB_AID,
        instance_aid: bytes | None = None,
        scp03_mode: Scp03Mode = Scp03Mode.S8,
        layout: Layout = Layout.GP,
        i_param: int | None = None,
        key_diversification_data: bytes | None = None,
        cplc: bytes | None = None,
        atr: bytes = CONTACTLESS_ATR,
        sequence_counter: int = 0,
        counts_begun: bool = True,
        tries: int = 10,
        store_data_p1: tuple[int, int] = (0x00, 0x80),
        timing: Timing = IMMEDIATE,
        faults: Sequence[Fault] = (),
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        if len(uid) not in (4, 7, 10):
            raise ValueError("a UID has 4, 7 or 10 bytes (ISO/IEC 14443-3, 6.5.4)")
        if instance_aid is None:
            instance_aid = aid + b"\x01\x01" if len(aid) <= 14 else aid
        if not instance_aid.startswith(aid):
            raise ValueError("the instance AID does not begin with the AID")
        if i_param is None:
            i_param = FULL_I_PARAM | (IParam.S16 if scp03_mode is Scp03Mode.S16 else 0)
        self.uid = uid
        self.atr = atr
        self.instance_aid = instance_aid
        #: Held by whoever speaks to the fob. It has one antenna, though it can lie on the
        #: next reader before the thread of the one before has noticed.
        self.antenna = threading.Lock()
        self._plan = FaultPlan(faults)
        self._applet = KeyFobApplet(
            AppletFacts(
                aid=instance_aid,
                keys=keys,
                # 0 is how a host asks for any version; no card calls its own that.
                kvn=keys.kvn or 0xFF if kvn is None else kvn,
                scp03_mode=scp03_mode,
                layout=layout,
                i_param=i_param,
                key_diversification_data=key_diversification_data or uid.ljust(10, b"\0"),
                cplc=cplc or _cplc_of(uid),
                tries=tries,
                store_data_p1=store_data_p1,
            ),
            self._plan,
            sequence_counter=sequence_counter,
            counts_begun=counts_begun,
            random=random,
        )
        self._timing = timing
        self._log: deque[tuple[bytes, int | None]] = deque(maxlen=LOG_SIZE)
        self._delay_s = 0.0
        self.reset()

    def __repr__(self) -> str:
        return f"SimulatedFob({self.uid.hex().upper()}, {self.lifecycle.value})"

    def reset(self) -> None:
        """Power off and on: nothing is selected, the session and half-written data are gone."""
        self._applet.reset()
        self._plan.commands = 0
        self._selected = False
        self._waiting = b""  # what GET RESPONSE would fetch, with its status word
        self._asked_again: tuple[Command, int] | None = None

    def transmit(self, command: bytes) -> bytes:
        """One command APDU in, data field || SW1 || SW2 out; any bytes have an answer.

        Raises:
            TornOff: the fob left the field and is reset.
            Hung: there will be no answer.
        """
        self._plan.commands += 1
        self._applet.written = 0
        self._delay_s = 0.0
        sw: int | None = None
        try:
            answer = self._in_the_field(command)
            sw = int.from_bytes(answer[-2:])
        except TornOff:
            self.reset()
            raise
        finally:
            self._log.append((command[:4], sw))
        return answer

    def seconds(self, command: bytes, answer: bytes) -> float:
        """How long the exchange that was just carried out takes."""
        return self._timing.seconds(command, answer, self._applet.written) + self._delay_s

    @property
    def lifecycle(self) -> Lifecycle:
        """UNPERSONALIZED or FACTORY."""
        return self._applet.lifecycle

    @property
    def stored(self) -> Mapping[Dgi, Secret]:
        """What it was personalized with, the private key as its scalar; empty before."""
        return MappingProxyType(self._applet.stored)

    @property
    def personalizations(self) -> int:
        """How often it became FACTORY; more than once would be a defect of this simulation."""
        return self._applet.personalizations

    @property
    def transports(self) -> frozenset[Transport]:
        """Those that were enabled."""
        return frozenset(self._applet.transports)

    @property
    def tries_left(self) -> int:
        """Wrong host cryptograms until the key set is locked; 0: it is."""
        return self._applet.tries_left

    def plan(self, fault: Fault) -> None:
        """One more fault that will happen."""
        self._plan.add(fault)

    @property
    def sequence_counter(self) -> int:
        """That of the last session that the card has counted."""
        return self._applet.sequence_counter

    @property
    def commands(self) -> int:
        """How many have come since the last reset."""
        return self._plan.commands

    @property
    def log(self) -> tuple[tuple[bytes, int | None], ...]:
        """Header and status word of the last commands of its life; None: no answer got out."""
        return tuple(self._log)

    def _in_the_field(self, command: bytes) -> bytes:
        if self._plan.now(FaultKind.TORN_BEFORE):
            raise TornOff
        if self._plan.now(FaultKind.HUNG):
            raise Hung
        if slow := self._plan.now(FaultKind.SLOW):
            self._delay_s = slow.delay_s
        answer = self._answer(command)
        if self._plan.now(FaultKind.TORN_AFTER):
            raise TornOff
        return answer

    def _answer(self, raw: bytes) -> bytes:
        waiting, self._waiting = self._waiting, b""
        try:
            command = Command.parse(raw)
            if command.header == bytes.fromhex("00C00000"):
                return self._get_response(command, waiting)
            self._demand_le(command)
            data, sw = self._execute(command)
        except Refusal as refusal:
            return refusal.sw.to_bytes(2)
        answer = data + sw.to_bytes(2)
        if data and self._plan.now(FaultKind.MORE_DATA):
            return self._hold(answer)
        return answer

    def _hold(self, answer: bytes) -> bytes:
        """61xx: the answer waits for GET RESPONSE (ISO/IEC 7816-4, 5.6)."""
        self._waiting = answer
        # SW2 00 stands for 256 and more.
        return bytes((0x61, min(len(answer) - 2, 0x100) & 0xFF))

    def _get_response(self, command: Command, waiting: bytes) -> bytes:
        """GET RESPONSE (ISO/IEC 7816-4, 11.6.1)."""
        if not waiting:
            raise Refusal(Sw.CONDITIONS_NOT_SATISFIED)
        available = len(waiting) - 2
        le = command.le or 0x100
        if le > available and le % 0x100:
            self._waiting = waiting
            raise Refusal(Sw.WRONG_LE | available)
        if le >= available:
            return waiting
        return waiting[:le] + self._hold(waiting[le:])

    def _demand_le(self, command: Command) -> None:
        """6Cxx: nothing is carried out until the command comes again with that Le.

        Secure messaging stays as it was, for the C-MAC does not cover Le: the very same
        bytes, with another Le, are still the next command of the session.
        """
        if self._asked_again is not None:
            asked, le = self._asked_again
            if _without_le(command) == asked and command.le != le:
                raise Refusal(Sw.WRONG_LE | le & 0xFF)
            self._asked_again = None
        le = self._answer_length(command)
        if le and self._plan.now(FaultKind.WRONG_LE):
            self._asked_again = _without_le(command), le
            raise Refusal(Sw.WRONG_LE | le & 0xFF)

    def _answer_length(self, command: Command) -> int:
        match command.cla, command.ins:
            case 0xFF, 0xCA:
                return len(self.uid)
            case 0x00, 0xA4:
                return len(self._applet.fci())
            case _:
                return self._applet.answer_length(command)

    def _execute(self, command: Command) -> tuple[bytes, int]:
        if not self._applet.secures(command) and (fault := self._plan.now(FaultKind.STATUS_WORD)):
            return b"", fault.sw
        if command.cla not in CLASSES:
            raise Refusal(Sw.CLA_NOT_SUPPORTED)
        match command.cla, command.ins:
            case 0xFF, 0xCA:
                return self._get_uid(command), Sw.OK
            case 0x00, 0xA4:
                return self._select(command), Sw.OK
            case 0x00 | 0x80, 0xCA:
                # The issuer security domain answers this one too, before any SELECT.
                return self._applet.get_data(command), Sw.OK
            case _ if not self._selected:
                raise Refusal(Sw.INS_NOT_SUPPORTED)
            case _:
                return self._applet.execute(command)

    def _get_uid(self, command: Command) -> bytes:
        """GET DATA, which a real reader answers itself (PC/SC part 3, 3.2.2.1.3)."""
        if (command.p1, command.p2) != (0, 0):
            raise Refusal(Sw.FUNCTION_NOT_SUPPORTED)
        return self.uid

    def _select(self, command: Command) -> bytes:
        """SELECT by name, which may be the beginning of it (GP Card Spec 2.3.1, 11.9)."""
        if (command.p1, command.p2) != (0x04, 0x00):
            raise Refusal(Sw.WRONG_P1_P2)
        # Fewer than the 5 bytes of a RID would select the issuer security domain.
        if len(command.data) < 5 or not self.instance_aid.startswith(command.data):
            raise Refusal(Sw.NOT_FOUND)
        self._applet.reset()
        self._selected = True
        return self._applet.fci()


def _without_le(command: Command) -> Command:
    return msgspec.structs.replace(command, le=None)


def _cplc_of(uid: bytes) -> bytes:
    """CPLC data of an NXP chip: fabrication data, serial number at offset 12, then blanks."""
    return (bytes.fromhex("4790D6004700000000005100") + uid[-4:] + b"\0\1").ljust(42, b"\0")
