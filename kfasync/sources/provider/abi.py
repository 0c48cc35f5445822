"""The words of ``native/include/kf_provider.h`` in Python, and what its results mean here."""

import enum
from typing import Any

from kfasync import _kf_provider
from kfasync.errors import ProviderError, SourceError, SourceUnavailableError

# Made from the header by cffi, so that there is no second set of declarations.
ffi: Any = _kf_provider.ffi

ABI: int = ffi.integer_const("KFP_ABI")
STRUCT_VERSION = 1
ISSUER_CHECKED: int = ffi.integer_const("KFP_LEASE_ISSUER_CHECKED")

# A library returns at its deadline. It is told to after this, and killed after that: on a
# busy machine the answer may be on its way.
CANCEL_AFTER_S = 0.1
KILL_AFTER_S = 0.5

TEXT_MAX = 300  # of what a library says of itself: a sentence, not a log


class Result(enum.IntEnum):
    """The results that have a name; a vendor's own have none."""

    OK = ffi.integer_const("KFP_OK")
    ABI = ffi.integer_const("KFP_E_ABI")
    STRUCT = ffi.integer_const("KFP_E_STRUCT")
    ARGUMENT = ffi.integer_const("KFP_E_ARGUMENT")
    CONFIG = ffi.integer_const("KFP_E_CONFIG")
    LEASE = ffi.integer_const("KFP_E_LEASE")
    SPACE = ffi.integer_const("KFP_E_SPACE")
    EMPTY = ffi.integer_const("KFP_E_EMPTY")
    UNIT = ffi.integer_const("KFP_E_UNIT")
    CONTENT = ffi.integer_const("KFP_E_CONTENT")
    UNAVAILABLE = ffi.integer_const("KFP_E_UNAVAILABLE")
    DEADLINE = ffi.integer_const("KFP_E_DEADLINE")
    CANCELLED = ffi.integer_const("KFP_E_CANCELLED")
    INTERNAL = ffi.integer_const("KFP_E_INTERNAL")


class Threading(enum.IntEnum):
    """Which calls may run at the same time."""

    SERIAL = ffi.integer_const("KFP_SERIAL")
    PER_SESSION = ffi.integer_const("KFP_PER_SESSION")
    FREE = ffi.integer_const("KFP_FREE")


class AbortPolicy(enum.IntEnum):
    """What becomes of content that no card has seen."""

    FREES = ffi.integer_const("KFP_ABORT_FREES")
    BINDS = ffi.integer_const("KFP_ABORT_BINDS")


_MEANINGS: dict[int, str] = {
    Result.ABI: "does not speak this version of the interface; ask its vendor for one that does",
    Result.STRUCT: "takes a structure for too small; ask its vendor",
    Result.ARGUMENT: "refuses an argument; ask its vendor",
    Result.CONFIG: "does not accept its configuration; correct it",
    Result.LEASE: "knows no such lease",
    Result.EMPTY: "has no free content left; have it filled up and place the fob again",
    Result.UNIT: "has issued this fob its content already, and its outcome is final",
    Result.CONTENT: "has damaged content for this fob; have its content looked at",
    Result.UNAVAILABLE: "is not available now; place the fob again later",
    Result.DEADLINE: "did not have an answer in time; place the fob again",
    Result.CANCELLED: "was told to stop before it had an answer; place the fob again",
    Result.INTERNAL: "failed inside; ask its vendor",
}


def refusal(name: str, result: int, said: str = "") -> SourceError:
    """What to raise for a result below 0.

    Args:
        name: of the library, or its path while it has told none.
        said: the library's own sentence, which by its contract holds no secret.
    """
    own = ""
    if result <= -1000:
        own = "refuses for a reason of its vendor's"
    meaning = _MEANINGS.get(result, own or "gave a result that the interface does not know")
    sentence = f"provider {name} {meaning} (result {result})"
    if said:
        sentence += f'; it says: "{said}"'
    if -299 <= result <= -200 or -2999 <= result <= -2000:
        return SourceUnavailableError(sentence)
    return ProviderError(result, sentence, pool_empty=result == Result.EMPTY)


def breach(name: str, what: str) -> ProviderError:
    """What to raise when a library breaks the rules of the interface."""
    return ProviderError(None, f"provider {name} {what}; its vendor has to mend it")


def printable(data: bytes) -> str:
    """A library's sentence as it may stand in a record: one line, and not too much of it."""
    text = data.decode("utf-8", "replace")
    line = "".join(character if character.isprintable() else " " for character in text)
    return line.strip()[:TEXT_MAX]


def begin(kind: str) -> dict[str, Any]:
    """The two fields that every structure begins with."""
    return {"struct_size": ffi.sizeof(kind), "struct_version": STRUCT_VERSION}


def decode(name: str, text: bytes, what: str) -> str:
    """A short text that a library gave for a name.

    Raises:
        ProviderError: it is empty, not UTF-8, or cannot be printed.
    """
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError:
        raise breach(name, f"gave {what} that is not UTF-8") from None
    if not decoded or not decoded.isprintable():
        raise breach(name, f"gave {what} that is empty or cannot be printed")
    return decoded
