"""What the end of an attempt means to whoever stands at the reader: one row for each cause.

A cause is the name of a status word (`kfasync.core.status`), of one of our errors, a code of the
key server's table (`kfasync.contracts.klms_problems`), or one of the few words that are neither.
What a torn contact means depends on how far the fob was written, and so its row: "torn:bound".

`kfasync.station.advice_de` has the same rows in German.
"""

import enum
from types import MappingProxyType

import msgspec

from kfasync.contracts.klms_problems import Problem
from kfasync.core.status import StatusWord, meaning
from kfasync.errors import KlmsError
from kfasync.model import Disposition
from kfasync.station import advice_de


class LaneRule(enum.Enum):
    """Whether the lane takes the next fob."""

    GOES_ON = "goes-on"
    # A wrong key set or profile fails every fob: two in a row are a pattern, not bad luck.
    STOPS_AFTER_TWO = "stops-after-two"
    STOPS = "stops"


class Do(enum.Enum):
    """What is done with the fob now, in one verb."""

    TAKE = "take it"
    PLACE = "place it again"
    ASIDE = "put it aside"
    REJECT = "reject it"
    KEEP = "keep it"


class Language(enum.Enum):
    """Languages that the catalogue is written in."""

    ENGLISH = "en"
    GERMAN = "de"


class Advice(msgspec.Struct, frozen=True):
    """One row.

    Attributes:
        happened: what, without full stop.
        action: what to do now, in a sentence or two.
    """

    disposition: Disposition
    lane: LaneRule
    do: Do
    happened: str
    action: str


_ON, _TWO, _STOPS = LaneRule.GOES_ON, LaneRule.STOPS_AFTER_TWO, LaneRule.STOPS
_FAIL, _ERROR = Disposition.FAIL, Disposition.ERROR

_KEYS = "Stop. Put the fob aside for review. Have the key set checked."
_PROFILE = "Stop. Put the fob aside. Have the card profile and the applet checked."
_DEFECTIVE = "Put the fob in the reject bin, it is defective. Take the next one."
_REVIEW = "Put the fob aside for review."
_NEXT = "Take the fob and place the next."
_SAME = "Place the same fob again"


def _keys(happened: str) -> Advice:
    return Advice(_FAIL, _TWO, Do.ASIDE, happened, _KEYS)


def _profile(happened: str, disposition: Disposition = _FAIL) -> Advice:
    return Advice(disposition, _TWO, Do.ASIDE, happened, _PROFILE)


def _defective(happened: str) -> Advice:
    return Advice(_FAIL, _ON, Do.REJECT, happened, _DEFECTIVE)


def _source(happened: str, action: str, lane: LaneRule = _TWO) -> Advice:
    return Advice(_ERROR, lane, Do.KEEP, happened, f"Keep the fob, it was not written. {action}")


_WORDS = {
    StatusWord.SUCCESS: Advice(Disposition.PASS, _ON, Do.TAKE, "success", _NEXT),
    **{
        word: _keys(word.meaning)
        for word in (
            StatusWord.AUTHENTICATION_FAILED,
            StatusWord.RETRIES_LEFT,
            StatusWord.SECURITY_STATUS_NOT_SATISFIED,
            StatusWord.AUTHENTICATION_METHOD_BLOCKED,
            StatusWord.SECURE_MESSAGING_OBJECTS_INCORRECT,
        )
    },
    **{
        word: _profile(word.meaning)
        for word in (
            StatusWord.MORE_DATA,
            StatusWord.WRONG_LENGTH,
            StatusWord.SECURE_MESSAGING_NOT_SUPPORTED,
            StatusWord.INCORRECT_DATA,
            StatusWord.FUNCTION_NOT_SUPPORTED,
            StatusWord.APPLICATION_NOT_FOUND,
            StatusWord.INCORRECT_P1_P2,
            StatusWord.REFERENCED_DATA_NOT_FOUND,
            StatusWord.WRONG_LE,
            StatusWord.INSTRUCTION_NOT_SUPPORTED,
            StatusWord.CLASS_NOT_SUPPORTED,
        )
    },
    StatusWord.MEMORY_FAILURE: _defective(StatusWord.MEMORY_FAILURE.meaning),
    StatusWord.NOT_ENOUGH_MEMORY: _defective(StatusWord.NOT_ENOUGH_MEMORY.meaning),
    # Every such fob uses up a container, so a tray of them must not run through.
    StatusWord.CONDITIONS_NOT_SATISFIED: Advice(
        _FAIL,
        _TWO,
        Do.ASIDE,
        StatusWord.CONDITIONS_NOT_SATISFIED.meaning,
        "Put the fob aside. It was personalized before, and not from this content.",
    ),
    StatusWord.NO_DIAGNOSIS: Advice(_FAIL, _ON, Do.ASIDE, StatusWord.NO_DIAGNOSIS.meaning, _REVIEW),
    StatusWord.UNKNOWN: Advice(_ERROR, _ON, Do.ASIDE, StatusWord.UNKNOWN.meaning, _REVIEW),
}

_TORN = {
    Disposition.RETRY: f"{_SAME}, or another one.",
    Disposition.BOUND: f"{_SAME}. Its content belongs to it and to no other.",
    Disposition.IN_DOUBT: f"{_SAME}. Only the fob knows whether it is done.",
}
_LEFT = {"torn": "the fob left the reader too early", "hung": "the fob stopped answering"}

_ERRORS = {
    "AlreadyProvisionedError": Advice(
        Disposition.ALREADY_PROVISIONED,
        _ON,
        Do.TAKE,
        "this fob has passed before",
        "Take the fob away. It is done, and nothing was sent to it.",
    ),
    "UnitRejectedError": Advice(
        _FAIL,
        _ON,
        Do.REJECT,
        "this fob has failed for good before",
        "Put the fob in the reject bin. Nothing was sent to it.",
    ),
    "UnitError": Advice(
        _FAIL,
        _ON,
        Do.ASIDE,
        "this fob must not be written here now",
        "Put the fob aside for review. Nothing was sent to it.",
    ),
    "CryptogramError": _keys("station and fob hold different keys"),
    "KeyCheckError": _keys("the keys are not those that their check values speak of"),
    "CapabilityError": _profile("the profile asks for what this fob does not offer"),
    "ResponseMacError": Advice(
        _ERROR, _TWO, Do.ASIDE, "an answer was changed on its way, or is not the fob's", _REVIEW
    ),
    "ChannelError": Advice(_ERROR, _TWO, Do.ASIDE, "the secure channel has broken down", _REVIEW),
    "AnswerFormatError": _profile("the fob answers what nobody understands", _ERROR),
    "IdentityError": _profile("the fob shows no UID that it could be known by", _ERROR),
    "UnprovedError": Advice(
        Disposition.IN_DOUBT,
        _ON,
        Do.ASIDE,
        "the fob is finished, and nothing proves that it was finished here",
        "Put the fob aside and call the line lead. `kfasync ledger resolve` decides.",
    ),
    "CardError": Advice(_ERROR, _ON, Do.ASIDE, "the fob cannot be used", _REVIEW),
    "TrustError": _source(
        "station and key server do not trust each other", "Have the certificates looked at."
    ),
    "ContainerError": _source("a container is damaged", "Have the container looked at."),
    "ProviderError": _source("the vendor's library fails", "Have the library looked at."),
    "KeyBlockError": _source(
        "the keys of this fob came damaged", "Have the source of the content looked at."
    ),
    "LeaseExpiredError": _source("the lease ran out before the fob was ready", f"{_SAME}."),
    "SourceUnavailableError": _source(
        "the source of the content does not answer", f"{_SAME} in a moment.", _ON
    ),
    "SourceError": _source(
        "there is no content for this fob", "Have the source of the content looked at."
    ),
    "ShiftError": Advice(
        Disposition.RETRY,
        _ON,
        Do.KEEP,
        "the check list is not done",
        "Keep the fob, it was not written. Do what the list asks for, then place it again.",
    ),
    "LedgerError": Advice(
        _ERROR,
        _STOPS,
        Do.ASIDE,
        "the ledger cannot be used",
        "Stop. Put the fob aside. Have the ledger looked at.",
    ),
    "ReaderError": _source("the reader cannot be used", "Have the reader looked at.", _ON),
}


def _do_of(action: str) -> Do:
    # The table is shared with key servers, and has sentences only.
    begins = {"Place": Do.PLACE, "Take": Do.TAKE, "Keep": Do.KEEP, "Stop": Do.KEEP}
    if "reject bin" in action:
        return Do.REJECT
    return begins.get(action.split()[0].rstrip("."), Do.ASIDE)


OTHERWISE = Advice(_ERROR, _ON, Do.ASIDE, "this software has failed", _REVIEW)

FAULT = "fault"

CATALOGUE = MappingProxyType(
    {
        FAULT: OTHERWISE,
        "pass": Advice(Disposition.PASS, _ON, Do.TAKE, "provisioned", _NEXT),
        "recovered": Advice(
            Disposition.RECOVERED,
            _ON,
            Do.TAKE,
            "provisioned: an earlier attempt had reached FACTORY, the rest is done now",
            _NEXT,
        ),
        "stopped": Advice(
            Disposition.RETRY,
            _ON,
            Do.PLACE,
            "the station was stopped before this fob was written to",
            f"{_SAME} when the station runs again.",
        ),
        "locked": Advice(
            _FAIL,
            _TWO,
            Do.REJECT,
            meaning(0x63C0),
            "Stop. Put the fob in the reject bin. Have the key set checked before any other fob.",
        ),
        **{
            f"{cause}:{disposition.value}": Advice(disposition, _ON, Do.PLACE, happened, action)
            for cause, happened in _LEFT.items()
            for disposition, action in _TORN.items()
        },
        **{word.name: advice for word, advice in _WORDS.items()},
        **_ERRORS,
        **{
            problem.code: Advice(
                _ERROR,
                _TWO,
                _do_of(problem.value.operator_action),
                problem.value.title,
                problem.value.operator_action,
            )
            for problem in Problem
        },
    }
)


def of_error(error: BaseException) -> Advice:
    """The row of an error's class, or of the nearest above it."""
    return CATALOGUE[_of_class(error)]


def key_of_error(error: BaseException) -> str:
    """The row of an error that is no attempt's end; of a key server's by its code."""
    if isinstance(error, KlmsError) and error.code in CATALOGUE:
        return error.code
    return _of_class(error)


def _of_class(error: BaseException) -> str:
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((name for name in names if name in CATALOGUE), FAULT)


def key_of(cause: str, disposition: str, sw: str | None) -> str:
    """The row of a record; one that is in no table is named all the same."""
    if sw == "63C0":
        return "locked"
    torn = f"{cause}:{disposition}"
    return torn if torn in CATALOGUE else cause


def verb(key: str) -> Do:
    """What is to be done with the fob."""
    return CATALOGUE.get(key, OTHERWISE).do


def both(
    key: str, sw: str | None, message: str, action: str, language: Language
) -> tuple[str, str]:
    """What happened, without full stop, and what to do, of one record, for the operator.

    In English it is what the record says; in another language what the catalogue says of the cause,
    with the status word. A cause that is not in it stays as the record has it.
    """
    row = advice_de.CATALOGUE.get(key)
    if language is Language.ENGLISH or row is None:
        return message, action
    happened, action = row
    return (f"{happened} ({sw})" if sw else happened), action


def sentence(key: str, sw: str | None, message: str, action: str, language: Language) -> str:
    """Both of :func:`both` in one line."""
    happened, action = both(key, sw, message, action, language)
    return f"{happened}. {action}"
