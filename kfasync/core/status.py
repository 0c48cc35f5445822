"""Status words: what they mean, what the operator does, and whether the line goes on.

ISO/IEC 7816-4:2020, 5.6 and GP Card Specification 2.3.1, 11.1.3.
"""

import enum

import msgspec

from kfasync.model import Disposition


class LaneRule(enum.Enum):
    """Whether the lane takes the next fob."""

    GOES_ON = "goes-on"
    # A wrong key set or profile fails every fob: two in a row are a pattern, not bad luck.
    STOPS_AFTER_TWO = "stops-after-two"
    STOPS = "stops"


class Advice(msgspec.Struct, frozen=True):
    """What happened, in words for the line."""

    meaning: str
    operator_action: str
    disposition: Disposition
    lane: LaneRule


_HALT_KEYS = "Stop. Put the fob aside for review; have the key set checked."
_HALT_PROFILE = "Stop. Put the fob aside; have the card profile and the applet checked."
_DEFECTIVE = "Put the fob to the defective ones and take the next."
_PERSONALIZED = "Put the fob aside: it was personalized before, and not from this content."
_UNKNOWN = "Put the fob aside for review."


class StatusWord(enum.Enum):
    """The status words that a fob can answer; a family stands under its first member."""

    SUCCESS = 0x9000
    MORE_DATA = 0x6100  # family 61xx
    AUTHENTICATION_FAILED = 0x6300
    RETRIES_LEFT = 0x63C0  # family 63Cx
    MEMORY_FAILURE = 0x6581
    WRONG_LENGTH = 0x6700
    SECURE_MESSAGING_NOT_SUPPORTED = 0x6882
    SECURITY_STATUS_NOT_SATISFIED = 0x6982
    AUTHENTICATION_METHOD_BLOCKED = 0x6983
    CONDITIONS_NOT_SATISFIED = 0x6985
    SECURE_MESSAGING_OBJECTS_INCORRECT = 0x6988
    INCORRECT_DATA = 0x6A80
    FUNCTION_NOT_SUPPORTED = 0x6A81
    APPLICATION_NOT_FOUND = 0x6A82
    NOT_ENOUGH_MEMORY = 0x6A84
    INCORRECT_P1_P2 = 0x6A86
    REFERENCED_DATA_NOT_FOUND = 0x6A88
    WRONG_LE = 0x6C00  # family 6Cxx
    INSTRUCTION_NOT_SUPPORTED = 0x6D00
    CLASS_NOT_SUPPORTED = 0x6E00
    NO_DIAGNOSIS = 0x6F00
    UNKNOWN = -1

    @classmethod
    def of(cls, sw: int) -> "StatusWord":
        """The member that this status word belongs to; UNKNOWN for what nobody foresaw."""
        if sw >> 8 in (0x61, 0x6C):
            return cls(sw & 0xFF00)
        if sw >> 4 == 0x63C:
            return cls.RETRIES_LEFT
        try:
            return cls(sw)
        except ValueError:
            return cls.UNKNOWN

    @property
    def advice(self) -> Advice:
        """Meaning, action, disposition and rule, whatever command it answers."""
        return _ADVICE[self]


def _keys(meaning: str) -> Advice:
    return Advice(meaning, _HALT_KEYS, Disposition.FAIL, LaneRule.STOPS_AFTER_TWO)


def _profile(meaning: str) -> Advice:
    return Advice(meaning, _HALT_PROFILE, Disposition.FAIL, LaneRule.STOPS_AFTER_TWO)


def _defective(meaning: str) -> Advice:
    return Advice(meaning, _DEFECTIVE, Disposition.FAIL, LaneRule.GOES_ON)


_ADVICE = {
    StatusWord.SUCCESS: Advice(
        "success", "Take the fob and place the next.", Disposition.PASS, LaneRule.GOES_ON
    ),
    StatusWord.MORE_DATA: _profile("the card holds back more data than it was asked for"),
    StatusWord.AUTHENTICATION_FAILED: _keys("the card does not accept the host cryptogram"),
    StatusWord.RETRIES_LEFT: _keys("the card does not accept the keys; few tries are left"),
    StatusWord.MEMORY_FAILURE: _defective("the card's memory failed"),
    StatusWord.WRONG_LENGTH: _profile("wrong length: the card wants another command form"),
    StatusWord.SECURE_MESSAGING_NOT_SUPPORTED: _profile("secure messaging is not supported"),
    StatusWord.SECURITY_STATUS_NOT_SATISFIED: _keys(
        "security status not satisfied: wrong key or MAC"
    ),
    StatusWord.AUTHENTICATION_METHOD_BLOCKED: _keys("the key set of the card is locked"),
    # Every such fob uses up a container, so a tray of them must not run through.
    StatusWord.CONDITIONS_NOT_SATISFIED: Advice(
        "the applet refuses in its present state: it is in FACTORY already",
        _PERSONALIZED,
        Disposition.FAIL,
        LaneRule.STOPS_AFTER_TWO,
    ),
    StatusWord.SECURE_MESSAGING_OBJECTS_INCORRECT: _keys("the card does not accept the MAC"),
    StatusWord.INCORRECT_DATA: _profile("the applet does not accept the data"),
    StatusWord.FUNCTION_NOT_SUPPORTED: _profile("function not supported"),
    StatusWord.APPLICATION_NOT_FOUND: _profile("there is no applet of that AID on the card"),
    StatusWord.NOT_ENOUGH_MEMORY: _defective("the card has no memory left"),
    StatusWord.INCORRECT_P1_P2: _profile("P1 or P2 is not accepted"),
    StatusWord.REFERENCED_DATA_NOT_FOUND: _profile("the card has no key set of that version"),
    StatusWord.WRONG_LE: _profile("the card keeps asking for another Le"),
    StatusWord.INSTRUCTION_NOT_SUPPORTED: _profile("instruction not supported: wrong applet"),
    StatusWord.CLASS_NOT_SUPPORTED: _profile("class not supported: wrong applet"),
    StatusWord.NO_DIAGNOSIS: Advice(
        "the card gives no diagnosis", _UNKNOWN, Disposition.FAIL, LaneRule.GOES_ON
    ),
    StatusWord.UNKNOWN: Advice(
        "a status word that is not in the table", _UNKNOWN, Disposition.ERROR, LaneRule.GOES_ON
    ),
}

_LOCKED = Advice(
    "the card does not accept the keys and no try is left: locked for good",
    "Stop. Put the fob to the locked ones; have the key set checked before any other fob.",
    Disposition.FAIL,
    LaneRule.STOPS_AFTER_TWO,
)


def advise(sw: int) -> Advice:
    """What a status word says and asks for; 63Cx with the number of tries that are left."""
    if sw == 0x63C0:
        return _LOCKED
    advice = StatusWord.of(sw).advice
    if sw >> 4 == 0x63C:
        left = "one try is" if sw & 0xF == 1 else f"{sw & 0xF} tries are"
        meaning = f"the card does not accept the keys; {left} left"
        return msgspec.structs.replace(advice, meaning=meaning)
    return advice
