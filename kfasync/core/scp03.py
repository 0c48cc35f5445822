"""Opening an SCP03 session (GP Amendment D v1.2, 6.2.2 and 7.1).

The software side of :class:`kfasync.contracts.crypto.CryptoPath`: everything above the AES
primitives, for every path that lets Python hold the keys.
"""

import hmac
from collections.abc import Sequence
from typing import Self

import msgspec

from kfasync.contracts.crypto import Aes, AesKey, Vault
from kfasync.core.apdu import CommandApdu
from kfasync.core.channel import R_ENCRYPTION, R_MAC, Channel, SessionKeys
from kfasync.core.identity import DIVERSIFICATION_DATA_SIZE
from kfasync.core.kdf import DerivationConstant, derive
from kfasync.errors import (
    AnswerFormatError,
    CapabilityError,
    CryptogramError,
    KeyCheckError,
)
from kfasync.model import (
    Item,
    KeySet,
    Layout,
    Opening,
    Scp03Mode,
    SessionFacts,
    StoreDataPlan,
)
from kfasync.secret import Secret

SCP03 = 0x03
I_S16 = 0x01
I_PSEUDO_RANDOM_CHALLENGE = 0x10
I_R_MAC = 0x20
I_R_ENCRYPTION = 0x40

KCV_SIZE = 3
_KCV_INPUT = b"\x01" * 16

_SIZE = {Scp03Mode.S8: 8, Scp03Mode.S16: 16}  # challenge, cryptogram and MAC, in bytes
_REV3_ANSWERS = (Layout.REV3, Layout.REV3_WITH_GP_CONTEXT)
_REV3_CONTEXTS = (Layout.REV3, Layout.GP_WITH_REV3_CONTEXT)


class Answer(msgspec.Struct, frozen=True):
    """An INITIALIZE UPDATE answer, read by one layout."""

    facts: SessionFacts
    challenge: bytes
    cryptogram: bytes

    @classmethod
    def parse(cls, data: bytes, layout: Layout, mode: Scp03Mode) -> Self:
        """Read the data field of the answer.

        GP Amendment D v1.2, table 7-3: div(10) KVN 03 i challenge cryptogram [counter(3)].
        The other layout in use: div(10) key information(1) counter(3) KVN(2) challenge
        cryptogram.

        Raises:
            AnswerFormatError: it is not of that layout.
        """
        at = DIVERSIFICATION_DATA_SIZE
        size = _SIZE[mode]
        diversification, rest = data[:at], data[at:]
        i_param: int | None
        counter: int | None
        if layout in _REV3_ANSWERS:
            if len(rest) != 6 + 2 * size:
                raise _not_this(data, layout, mode)
            counter = int.from_bytes(rest[1:4], "big")
            kvn, i_param = int.from_bytes(rest[4:6], "big"), None
            rest = rest[6:]
        else:
            if len(rest) < 3 or rest[1] != SCP03:
                raise _not_this(data, layout, mode)
            kvn, i_param, rest = rest[0], rest[2], rest[3:]
            tail = rest[2 * size :]
            # The counter is there when, and only when, the challenge is derived from it.
            expected = 3 if i_param & I_PSEUDO_RANDOM_CHALLENGE else 0
            if len(rest) < 2 * size or len(tail) != expected:
                raise _not_this(data, layout, mode)
            counter = int.from_bytes(tail, "big") if tail else None
        facts = SessionFacts(layout, kvn, i_param, counter, diversification)
        return cls(facts, rest[:size], rest[size : 2 * size])

    def context(self, host_challenge: bytes) -> bytes:
        """What the session keys and cryptograms are derived over."""
        challenges = host_challenge + self.challenge
        if self.facts.layout in _REV3_CONTEXTS:
            return self._counter + challenges
        return challenges

    def pseudo_random_context(self, aid: bytes) -> bytes:
        """What a pseudo-random card challenge is derived over (GP Amendment D v1.2, 6.2.2.1)."""
        return self._counter + aid

    @property
    def _counter(self) -> bytes:
        if self.facts.sequence_counter is None:
            raise AnswerFormatError(
                f"layout {self.facts.layout.value} needs the sequence counter, which the "
                "INITIALIZE UPDATE answer does not have"
            )
        return self.facts.sequence_counter.to_bytes(3, "big")


class SoftwarePath:
    """A crypto path whose keys live in Python, on top of one :class:`Aes`."""

    def __init__(self, aes: Aes, vault: Vault) -> None:
        self._aes = aes
        self.name = aes.name
        self.vault = vault

    def load(self, keys: KeySet) -> "SoftwareSlot":
        """Expand the static keys and hold them against their check values."""
        return SoftwareSlot(self._aes, keys)


class SoftwareSlot:
    """The static keys of one fob, expanded."""

    def __init__(self, aes: Aes, keys: KeySet) -> None:
        check_sizes(keys)
        self._aes = aes
        self._channel: Channel | None = None
        self._keys: tuple[AesKey, AesKey, AesKey] | None = (
            _checked(aes, keys.enc, keys.kcv.enc, "ENC", keys.kvn),
            _checked(aes, keys.mac, keys.kcv.mac, "MAC", keys.kvn),
            _checked(aes, keys.dek, keys.kcv.dek, "DEK", keys.kvn),
        )

    def open_session(self, opening: Opening) -> Channel:
        """Find the layout whose card cryptogram verifies, and derive everything else."""
        if self._keys is None:
            raise ValueError("the static keys of this slot have been wiped")
        self._close()
        enc, mac, dek = self._keys
        answer, context, s_mac = self._verify(opening, mac)
        check_capabilities(answer.facts, opening)
        _check_challenge(answer, opening, enc)
        host_cryptogram = derive(
            s_mac, DerivationConstant.HOST_CRYPTOGRAM, context, bits=8 * _SIZE[opening.scp03_mode]
        )
        keys = SessionKeys(
            s_enc=self._session_key(enc, DerivationConstant.S_ENC, context),
            s_mac=s_mac,
            s_rmac=self._session_key(mac, DerivationConstant.S_RMAC, context),
            dek=dek,
        )
        level = opening.security_level
        self._channel = Channel(
            keys,
            level,
            mac_size=_SIZE[opening.scp03_mode],
            facts=answer.facts,
            opening=CommandApdu(0x84, 0x82, level, 0x00, data=host_cryptogram),
        )
        return self._channel

    def open_and_wrap(
        self, opening: Opening, items: Sequence[Item], plan: StoreDataPlan
    ) -> tuple[Channel, list[bytes]]:
        """One after the other: there is nothing to be saved here."""
        channel = self.open_session(opening)
        return channel, channel.wrap_store_data(items, plan)

    def wipe(self) -> None:
        """Drop the expanded keys. What Python copied meanwhile is the collector's to free."""
        self._close()
        self._keys = None

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _verify(self, opening: Opening, mac: AesKey) -> tuple[Answer, bytes, AesKey]:
        """The first layout that verifies, with its context and its S-MAC."""
        bits = 8 * _SIZE[opening.scp03_mode]
        for answer in candidates(opening):
            context = answer.context(opening.host_challenge)
            s_mac = self._session_key(mac, DerivationConstant.S_MAC, context)
            expected = derive(s_mac, DerivationConstant.CARD_CRYPTOGRAM, context, bits=bits)
            if hmac.compare_digest(expected, answer.cryptogram):
                return answer, context, s_mac
        raise other_keys(opening)

    def _session_key(self, key: AesKey, constant: DerivationConstant, context: bytes) -> AesKey:
        return self._aes.key(Secret(derive(key, constant, context, bits=key.bits)))


def key_check_value(key: AesKey) -> bytes:
    """First 3 bytes of AES over 16 bytes of 01 (GP Card Specification 2.3.1, B.6)."""
    return key.encrypt_block(_KCV_INPUT)[:KCV_SIZE]


def _checked(aes: Aes, secret: Secret, kcv: bytes, name: str, kvn: int) -> AesKey:
    try:
        key = aes.key(secret)
    except ValueError as error:
        raise KeyCheckError(f"static key {name} of key version {kvn}: {error}") from None
    if not hmac.compare_digest(key_check_value(key), kcv):
        raise other_key(name, kvn)
    return key


def other_key(name: str, kvn: int) -> KeyCheckError:
    """What to say when a static key has another check value."""
    return KeyCheckError(
        f"static key {name} of key version {kvn} does not have its key check value; "
        "the key set is damaged or belongs to another fob"
    )


def check_sizes(keys: KeySet) -> None:
    """The three static keys are of one length.

    Raises:
        KeyCheckError: they are not.
    """
    if len({len(keys.enc), len(keys.mac), len(keys.dek)}) != 1:
        raise KeyCheckError("the three static keys differ in length; they are one key set")


def candidates(opening: Opening) -> list[Answer]:
    """The answer as each layout reads it, as far as it can and the key version agrees.

    Raises:
        AnswerFormatError: no layout can read it.
        CapabilityError: the card answered with another key version.
    """
    readings: list[Answer] = []
    failure: AnswerFormatError | None = None
    for layout in opening.layouts:
        try:
            answer = Answer.parse(opening.answer, layout, opening.scp03_mode)
            answer.context(opening.host_challenge)
        except AnswerFormatError as error:
            failure = failure or error
        else:
            readings.append(answer)
    if failure is not None and not readings:
        raise failure
    # Another key version would fail the cryptogram too, but would then be called wrong keys.
    asked = opening.key_version
    agreeing = [answer for answer in readings if asked in (0, answer.facts.kvn)]
    if not agreeing:
        # The first reading only: what the others take for a version is a piece of a challenge.
        answered = readings[0].facts.kvn
        raise CapabilityError(
            f"the card answered with key version {answered} where {asked} was asked for; "
            "set key_version in the card profile"
        )
    return agreeing


def check_capabilities(facts: SessionFacts, opening: Opening) -> None:
    """Ask nothing of the card that its i-param does not announce (Amendment D v1.2, table 5-1).

    Raises:
        CapabilityError: S16, R-MAC or R-ENCRYPTION is asked for and not announced.
    """
    if facts.i_param is None:
        return
    level = opening.security_level
    wanted = {
        "S16": (opening.scp03_mode is Scp03Mode.S16, I_S16),
        "R-MAC": (bool(level & R_MAC), I_R_MAC),
        "R-ENCRYPTION": (bool(level & R_ENCRYPTION), I_R_ENCRYPTION),
    }
    missing = [name for name, (asked, bit) in wanted.items() if asked and not facts.i_param & bit]
    if missing:
        raise CapabilityError(
            f"the card does not announce {' and '.join(missing)} (i = {facts.i_param:02X}); "
            "set security_level and scp03_mode in the card profile to what it can do"
        )


def _check_challenge(answer: Answer, opening: Opening, enc: AesKey) -> None:
    """Recompute a pseudo-random card challenge (GP Amendment D v1.2, 6.2.2.1)."""
    if not (answer.facts.i_param or 0) & I_PSEUDO_RANDOM_CHALLENGE:
        return
    context = answer.pseudo_random_context(opening.aid)
    expected = derive(
        enc, DerivationConstant.CARD_CHALLENGE, context, bits=8 * len(answer.challenge)
    )
    if not hmac.compare_digest(expected, answer.challenge):
        raise other_challenge(opening)


def other_keys(opening: Opening) -> CryptogramError:
    """What to say when no layout gives the card's cryptogram."""
    tried = ", ".join(layout.value for layout in opening.layouts)
    return CryptogramError(
        f"the card cryptogram does not verify (layout {tried}): the card holds other keys; "
        "check the key set and the key version before another fob is placed"
    )


def other_challenge(opening: Opening) -> CryptogramError:
    """What to say when the card's challenge is not the one that it announces."""
    return CryptogramError(
        "the card's pseudo-random challenge does not verify, though its cryptogram does: the card "
        "holds another Key-ENC; check the key set before another fob is placed. Only if the keys "
        f"are right, the card computes it over another AID than {opening.aid.hex().upper()}: set "
        "challenge_aid in the card profile"
    )


def _not_this(data: bytes, layout: Layout, mode: Scp03Mode) -> AnswerFormatError:
    return AnswerFormatError(
        f"the INITIALIZE UPDATE answer of {len(data)} bytes is not of layout {layout.value} "
        f"in {mode.value}"
    )
