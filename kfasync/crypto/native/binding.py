"""The C core as cffi binds it: its tiers, its start, and its arguments."""

from typing import Any

from kfasync._kf_core import ffi, lib
from kfasync.errors import CryptoPathError

# In the order of preference; a slot is told which one it is to use.
TIERS = {"aesni": lib.KF_TIER_AESNI, "armv8": lib.KF_TIER_ARMV8, "portable": lib.KF_TIER_PORTABLE}


def tiers() -> list[str]:
    """What this CPU has, the fastest first."""
    return [name for name, number in TIERS.items() if lib.kf_tier_available(number)]


def require_tier(name: str, code: int) -> None:
    """Take what kf_tier_check said.

    Raises:
        CryptoPathError: the tier is not to be had, or computes wrong.
    """
    if code == lib.KF_E_TIER:
        raise CryptoPathError(f"crypto path {name} is not for this CPU; choose another path")
    if code:
        raise CryptoPathError(
            f"crypto path {name} fails a known answer of AES; choose another path"
        )


def require_arena(code: int, *, locked: bool, unlocked_allowed: bool) -> None:
    """Take what kf_start said, in this process now or earlier.

    Raises:
        CryptoPathError: there is no memory, or it is not locked and has to be.
    """
    if code == lib.KF_E_LOCK or not (code or locked or unlocked_allowed):
        raise CryptoPathError(
            "the memory for keys cannot be locked; raise RLIMIT_MEMLOCK (ulimit -l) to 8192 KiB, "
            'or set locked_memory = "preferred" in [crypto]'
        )
    if code:
        raise CryptoPathError("there is no memory for the arena of the native crypto path")


def checked(code: int) -> None:
    """Raise ValueError for arguments that only C looks at."""
    if code:
        raise unexpected(code)


def unexpected(code: int) -> ValueError:
    """What to say of a result that no argument of ours should bring about."""
    return ValueError(f"the C core refuses its arguments ({code})")


def bytes_of(data: bytes | memoryview) -> Any:
    """Where the data are, for a pointer argument. The caller keeps them as long as C looks.

    No view is held beyond this line. An exception can carry a frame into a reference cycle,
    and the garbage collector of CPython 3.11 clears a memoryview before the cffi object that
    has its buffer: releasing it then is a crash.
    """
    with ffi.from_buffer("uint8_t[]", data) as held:
        return held + 0
