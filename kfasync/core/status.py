"""Status words: what they mean.

ISO/IEC 7816-4:2020, 5.6 and GP Card Specification 2.3.1, 11.1.3. What is done about them stands in
`kfasync.station.advice`.
"""

import enum


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
    def meaning(self) -> str:
        """What it says, whatever command it answers."""
        return _MEANINGS[self]


_MEANINGS = {
    StatusWord.SUCCESS: "success",
    StatusWord.MORE_DATA: "the card holds back more data than it was asked for",
    StatusWord.AUTHENTICATION_FAILED: "the card does not accept the host cryptogram",
    StatusWord.RETRIES_LEFT: "the card does not accept the keys; few tries are left",
    StatusWord.MEMORY_FAILURE: "the card's memory failed",
    StatusWord.WRONG_LENGTH: "wrong length: the card wants another command form",
    StatusWord.SECURE_MESSAGING_NOT_SUPPORTED: "secure messaging is not supported",
    StatusWord.SECURITY_STATUS_NOT_SATISFIED: "security status not satisfied: wrong key or MAC",
    StatusWord.AUTHENTICATION_METHOD_BLOCKED: "the key set of the card is locked",
    StatusWord.CONDITIONS_NOT_SATISFIED: (
        "the applet refuses in its present state: it is in FACTORY already"
    ),
    StatusWord.SECURE_MESSAGING_OBJECTS_INCORRECT: "the card does not accept the MAC",
    StatusWord.INCORRECT_DATA: "the applet does not accept the data",
    StatusWord.FUNCTION_NOT_SUPPORTED: "function not supported",
    StatusWord.APPLICATION_NOT_FOUND: "there is no applet of that AID on the card",
    StatusWord.NOT_ENOUGH_MEMORY: "the card has no memory left",
    StatusWord.INCORRECT_P1_P2: "P1 or P2 is not accepted",
    StatusWord.REFERENCED_DATA_NOT_FOUND: "the card has no key set of that version",
    StatusWord.WRONG_LE: "the card keeps asking for another Le",
    StatusWord.INSTRUCTION_NOT_SUPPORTED: "instruction not supported: wrong applet",
    StatusWord.CLASS_NOT_SUPPORTED: "class not supported: wrong applet",
    StatusWord.NO_DIAGNOSIS: "the card gives no diagnosis",
    StatusWord.UNKNOWN: "a status word that is not in the table",
}


def meaning(sw: int) -> str:
    """What a status word says; 63Cx with the number of tries that are left."""
    if sw == 0x63C0:
        return "the card does not accept the keys and no try is left: locked for good"
    if sw >> 4 == 0x63C:
        left = "one try is" if sw & 0xF == 1 else f"{sw & 0xF} tries are"
        return f"the card does not accept the keys; {left} left"
    return StatusWord.of(sw).meaning
