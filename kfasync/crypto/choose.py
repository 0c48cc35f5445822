"""Which crypto path a station runs on."""

import os

from kfasync.contracts.crypto import Aes, CryptoPath
from kfasync.core.scp03 import SoftwarePath
from kfasync.crypto.answers import check_aes, check_path
from kfasync.crypto.heap import HeapVault
from kfasync.crypto.openssl import OpensslAes
from kfasync.crypto.pure import PureAes
from kfasync.errors import CryptoPathError

AUTO = "auto"
NATIVE = "native"
SWITCH = "KFASYNC_NATIVE"  # "0": leave the C core alone, when building and when running


def native_tiers() -> tuple[list[str], str]:
    """Tiers of the native path on this machine, the fastest first; or why there are none."""
    if os.environ.get(SWITCH) == "0":
        return [], f"the C core is switched off by {SWITCH}=0"
    try:
        from kfasync.crypto import native
    except ModuleNotFoundError:
        return [], "the C core is not built here: that takes a C compiler at installation"
    except ImportError as error:
        return [], f"the C core cannot be loaded: {error}"
    return native.tiers(), ""


def available() -> list[str]:
    """Names of the paths that this machine has, in the order in which they are preferred."""
    tiers, _ = native_tiers()
    return [*(f"{NATIVE}-{tier}" for tier in tiers), OpensslAes.name, PureAes.name]


def choose(name: str = AUTO, *, unlocked_allowed: bool = False) -> CryptoPath:
    """The path of that name, after its known answers.

    ``auto`` is the first of :func:`available`, ``native`` the fastest tier of the native
    path. ``unlocked_allowed`` is for the native path on a machine that locks no memory.

    Raises:
        CryptoPathError: there is no such path here, or it fails a known answer.
    """
    names = available()
    tiers, why_not = native_tiers()
    if name == AUTO:
        name = names[0]
    elif name == NATIVE and tiers:
        name = f"{NATIVE}-{tiers[0]}"
    if name not in names:
        reason = f" ({why_not})" if why_not and name.startswith(NATIVE) else ""
        raise CryptoPathError(
            f"there is no crypto path {name!r} here{reason}; choose one of "
            f"{', '.join([AUTO, *names])}"
        )
    path = _make(name, unlocked_allowed)
    check_path(path)
    return path


def describe(path: CryptoPath) -> str:
    """One line: the path in use, and why it is not the native one if it is not."""
    _, why_not = native_tiers()
    reason = f" ({why_not})" if why_not else ""
    return f"crypto path {path.name}{reason}"


def _make(name: str, unlocked_allowed: bool) -> CryptoPath:
    aes: Aes
    match name:
        case OpensslAes.name:
            aes = OpensslAes()
        case PureAes.name:
            aes = PureAes()
        case _:
            from kfasync.crypto.native import NativeAes, NativePath

            tier = name.removeprefix(f"{NATIVE}-")
            path = NativePath(tier, unlocked_allowed=unlocked_allowed)
            check_aes(NativeAes(tier))
            return path
    check_aes(aes)
    return SoftwarePath(aes, HeapVault())
