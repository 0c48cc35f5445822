"""The way of one fob, as a generator of effects.

The generator decides what is said to the card and in which order; whoever drives it does
the input and output and sends the results back in. One flow runs on a real reader, on the
simulated fob, and by hand in a test.

    READ_UID                UID                        -> Identified -> Standing, WantLease
    FETCH_KEYS                                         -> NeedLease  -> Lease
    INITIALIZE_UPDATE       SELECT, INITIALIZE UPDATE
    EXTERNAL_AUTHENTICATE   EXTERNAL AUTHENTICATE      -> Durable(BURNED)
    PAYLOAD_DELIVERY        STORE DATA x n             -> Durable(LAST_SENT)
    LIFECYCLE_TRANSITION    STORE DATA, last and empty
    POST_PERSONALIZATION    raw commands, outside secure messaging

Where a lease is on its way after WantLease, SELECT and INITIALIZE UPDATE come before NeedLease, and
hide a part of what it takes.

Of a unit in doubt, Durable(BEGUN) comes before INITIALIZE UPDATE and Durable(AUTHENTICATED) in
the place of BURNED: the sessions of this station have to explain the card's sequence counter.

Nothing from EXTERNAL AUTHENTICATE on is sent before content and keys are there and have been
checked. BURNED is durable before the first STORE DATA.
"""

import msgspec

from kfasync.contracts.crypto import CryptoPath, KeySlot, SecureChannel
from kfasync.core import dgi, identity
from kfasync.core.apdu import SHORT_LE_MAX, CommandApdu, ResponseApdu
from kfasync.core.effects import (
    Durable,
    Exchange,
    Flow,
    Identified,
    NeedLease,
    WantLease,
)
from kfasync.core.identity import DIVERSIFICATION_DATA_SIZE
from kfasync.core.profile import CardProfile, SequenceCounter, UidSource
from kfasync.core.status import meaning
from kfasync.errors import AnswerFormatError, StatusWordError, UnitError, UnprovedError
from kfasync.model import (
    Earlier,
    Lease,
    Mark,
    Opening,
    SessionFacts,
    Stage,
    Standing,
    Touched,
    Unit,
)

ROUNDS_MAX = 256  # of GET RESPONSE: an extended answer in parts of 256 bytes

ANSWER_MAX = 65_536  # a whole extended one; nothing here needs a hundredth of that

SUCCESS = 0x9000
IN_FACTORY = 0x6985


class Provisioning:
    """One attempt on one fob. It explains itself at every moment, also after a failure.

    Attributes:
        stage: where it is, or stopped.
        unit, lease, facts: who the fob is, what it gets, what the card said; None before.
        touched: how far the card's memory can have been changed, by earlier attempts too.
        stored: the card has taken a block in this attempt.
        factory: the applet is known to be in FACTORY.
        recovered: it was there already, from an attempt whose end nobody saw.
    """

    def __init__(
        self, profile: CardProfile, path: CryptoPath, *, atr: bytes, host_challenge: bytes
    ) -> None:
        self._profile = profile
        self._path = path
        self._atr = atr
        self._host_challenge = host_challenge
        self._earlier: Earlier | None = None
        self._step = 0
        self._steps = 0
        self.stage = Stage.READ_UID
        self.unit: Unit | None = None
        self.lease: Lease | None = None
        self.facts: SessionFacts | None = None
        self.touched = Touched.NONE
        self.stored = False
        self.factory = False
        self.recovered = False

    def run(self) -> Flow[None]:
        """The whole way; returns when the fob has passed, raises KfError when it has not."""
        opening: Opening | None = None
        if self._profile.uid_source is UidSource.KEY_DIVERSIFICATION_DATA:
            opening = yield from self._begin()
            uid = identity.from_diversification_data(opening.answer)
        else:
            uid = yield from self._read_uid()
        unit = yield from self._identify(uid)
        # A unit in doubt gets its lease first: from INITIALIZE UPDATE on it may have counted.
        if opening is None and self.touched is not Touched.UNKNOWN and (yield WantLease(unit)):
            opening = yield from self._begin()
        lease, slot = yield from self._fetch(unit)
        try:
            if opening is None:
                opening = yield from self._begin()
            elif self.touched is Touched.UNKNOWN:
                # Late, for only this session has told who the fob is. What is lost in between
                # leaves a counter that nobody can explain, and that is the safe side.
                yield Durable(lease, Mark.BEGUN)
            self.stage = Stage.INITIALIZE_UPDATE
            # All of it is wrapped before any of it is sent: content that cannot be written is
            # found while the card is still untouched.
            channel, commands = slot.open_and_wrap(opening, lease.items, self._profile.plan)
            self.facts = channel.facts
            try:
                self._require_same_fob(channel.facts)
                yield from self._deliver(channel, commands, lease)
            finally:
                channel.close()
        finally:
            slot.wipe()
        yield from self._post_personalize()

    # ------------------------------------------------------------------ who it is

    def _read_uid(self) -> Flow[bytes]:
        if self._profile.uid_source is UidSource.GET_DATA:
            return identity.from_uid((yield from self._demand(identity.GET_UID)).data)
        return identity.from_cplc((yield from self._demand(identity.GET_CPLC)).data)

    def _identify(self, uid: bytes) -> Flow[Unit]:
        self.unit = self._profile.unit(uid, self._atr)
        standing: Standing = yield Identified(self.unit)
        self.touched, self._earlier = standing.touched, standing.earlier
        return self.unit

    def _fetch(self, unit: Unit) -> Flow[tuple[Lease, KeySlot]]:
        self.stage = Stage.FETCH_KEYS
        lease: Lease = yield NeedLease(unit)
        self.lease = lease
        blocks = dgi.block_count(lease.items, self._profile.plan)
        # SELECT, INITIALIZE UPDATE, EXTERNAL AUTHENTICATE, and a command of its own for the UID.
        session = 3 if self._profile.uid_source is UidSource.KEY_DIVERSIFICATION_DATA else 4
        self._steps = session + blocks + len(self._profile.post_personalization)
        return lease, self._path.load(lease.keys)

    # ------------------------------------------------------------------ the session

    def _begin(self) -> Flow[Opening]:
        self.stage = Stage.INITIALIZE_UPDATE
        profile = self._profile
        aid = bytes.fromhex(profile.aid)
        select = CommandApdu(0x00, 0xA4, 0x04, 0x00, data=aid, le=SHORT_LE_MAX)
        fci = (yield from self._demand(select.encode())).data
        if self.lease is not None and self.touched is Touched.UNKNOWN:
            yield Durable(self.lease, Mark.BEGUN)  # from here on the card may have counted it
        command = CommandApdu(
            0x80, 0x50, profile.key_version, 0x00, data=self._host_challenge, le=SHORT_LE_MAX
        )
        answer = yield from self._demand(command.encode())
        if len(answer.data) < DIVERSIFICATION_DATA_SIZE:
            raise AnswerFormatError(f"INITIALIZE UPDATE was answered with {len(answer.data)} bytes")
        return Opening(
            host_challenge=self._host_challenge,
            answer=answer.data,
            key_version=profile.key_version,
            security_level=profile.level,
            scp03_mode=profile.scp03_mode,
            layouts=profile.layouts,
            aid=bytes.fromhex(profile.challenge_aid) or _selected_aid(fci, aid),
        )

    def _deliver(self, channel: SecureChannel, commands: list[bytes], lease: Lease) -> Flow[None]:
        *blocks, last = commands
        self.stage = Stage.EXTERNAL_AUTHENTICATE
        yield from self._demand(channel.external_authenticate, confidential=True)
        self.stage = Stage.PAYLOAD_DELIVERY
        in_doubt = self.touched is Touched.UNKNOWN
        if in_doubt:
            yield Durable(lease, Mark.AUTHENTICATED)
        else:
            yield Durable(lease, Mark.BURNED, channel.facts)
            self.touched = Touched.PARTIAL
        for block in blocks:
            sw = yield from self._store(channel, block)
            if sw == IN_FACTORY and in_doubt and not self.stored:
                self._require_proof(channel.facts)
                self.factory = self.recovered = True
                return
            self._check(sw)
            if in_doubt and not self.stored:
                yield Durable(lease, Mark.STILL_OPEN, channel.facts)
                self.touched = Touched.PARTIAL
            self.stored = True
        self.stage = Stage.LIFECYCLE_TRANSITION
        yield Durable(lease, Mark.LAST_SENT, channel.facts)
        self.touched = Touched.UNKNOWN
        self._check((yield from self._store(channel, last)))
        self.factory = True

    def _require_same_fob(self, facts: SessionFacts) -> None:
        """A second fob of this UID shows itself by its diversification data or its counter."""
        earlier = self._earlier
        if earlier is None:
            return
        other = facts.key_diversification_data != earlier.key_diversification_data
        if facts.sequence_counter is not None and earlier.sequence_counter is not None:
            # The earlier session was authenticated, so that every card has counted it.
            other |= facts.sequence_counter <= earlier.sequence_counter
        if other:
            raise UnitError(
                "this is not the fob that was written to under this UID: its key diversification "
                "data is another, or its sequence counter went back; nothing was sent to it"
            )

    def _require_proof(self, facts: SessionFacts) -> None:
        """That the card is in FACTORY proves nothing: anybody may have brought it there.

        Its sequence counter must be explained by the sessions of this station alone.
        """
        earlier, when = self._earlier, self._profile.sequence_counter
        if earlier is not None and earlier.recoverable:
            return
        if earlier is None or None in (earlier.sequence_counter, facts.sequence_counter):
            why = "the card has no sequence counter that could prove it"
        elif self._atr != earlier.atr:
            why = "its ATR is another"
        else:
            one_more = (earlier.sequence_counter or 0) + 1
            possible = {
                SequenceCounter.INITIALIZE_UPDATE: {one_more + earlier.begun},
                SequenceCounter.EXTERNAL_AUTHENTICATE: {one_more + earlier.authenticated},
                SequenceCounter.UNKNOWN: {
                    one_more + earlier.begun,
                    one_more + earlier.authenticated,
                },
            }[when]
            if possible == {facts.sequence_counter}:
                return
            if len(possible) > 1:
                why = (
                    "a session in between was begun and not authenticated, and the profile does "
                    "not say whether this card counts such a one (sequence_counter)"
                )
            else:
                why = "its sequence counter counts a session that is not this station's"
        raise UnprovedError(
            f"the fob is in FACTORY, and it is not proved that this station brought it there: {why}"
        )

    def _store(self, channel: SecureChannel, command: bytes) -> Flow[int]:
        answer = yield from self._transmit(command, confidential=True)
        return ResponseApdu.decode(channel.unwrap(answer.encode())).sw

    def _post_personalize(self) -> Flow[None]:
        self.stage = Stage.POST_PERSONALIZATION
        for command in self._profile.post_personalization:
            yield from self._demand(bytes.fromhex(command))

    # ------------------------------------------------------------------ one command

    def _demand(self, command: bytes, *, confidential: bool = False) -> Flow[ResponseApdu]:
        """An exchange that anything but 9000 ends."""
        answer = yield from self._transmit(command, confidential=confidential)
        self._check(answer.sw)
        return answer

    def _check(self, sw: int) -> None:
        if sw != SUCCESS:
            raise StatusWordError(sw, f"{self.stage.value}: {sw:04X}, {meaning(sw)}")

    def _transmit(self, command: bytes, *, confidential: bool = False) -> Flow[ResponseApdu]:
        """One command and its whole answer, through 61xx and 6Cxx (ISO/IEC 7816-4, 5.3.4).

        Both are matters of transport: the card has verified the C-MAC once or not at all, and
        the R-MAC is over the data put together again.
        """
        self._step += 1
        answer = yield from self._send(command, confidential)
        if answer.sw1 == 0x6C:
            again = CommandApdu.decode(command)
            again = msgspec.structs.replace(again, le=answer.sw2 or SHORT_LE_MAX)
            answer = yield from self._send(again.encode(), confidential)
        data, rounds = answer.data, 0
        while answer.sw1 == 0x61:
            get_response = CommandApdu(0x00, 0xC0, 0x00, 0x00, le=answer.sw2 or SHORT_LE_MAX)
            answer = yield from self._send(get_response.encode(), confidential)
            data += answer.data
            rounds += 1
            if len(data) > ANSWER_MAX:
                raise AnswerFormatError(f"the card has answered with more than {ANSWER_MAX} bytes")
            if answer.sw1 == 0x61 and (rounds == ROUNDS_MAX or not answer.data):
                raise AnswerFormatError("the card announces more data and never comes to an end")
        return ResponseApdu(data, answer.sw)

    def _send(self, command: bytes, confidential: bool) -> Flow[ResponseApdu]:
        answer: bytes = yield Exchange(
            command,
            self.stage,
            self._step,
            self._steps,
            confidential=confidential,
            interruptible=self.touched is Touched.NONE,
        )
        return ResponseApdu.decode(answer)


def _selected_aid(fci: bytes, aid: bytes) -> bytes:
    """The DF name of the SELECT answer, which is longer when a partial AID was selected.

    FCI template 6F with DF name 84 in front (GP Card Specification 2.3.1, table 11-77); an
    answer without one says nothing, and the AID asked for stands.
    """
    name = fci[4 : 4 + fci[3]] if len(fci) > 4 and fci[0] == 0x6F and fci[2] == 0x84 else b""
    return name if name.startswith(aid) else aid
