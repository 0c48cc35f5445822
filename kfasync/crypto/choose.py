"""Which crypto path a station runs on."""

from kfasync.core.scp03 import SoftwarePath
from kfasync.crypto.api import CryptoPath
from kfasync.crypto.openssl import OpensslAes
from kfasync.crypto.pure import PureAes
from kfasync.errors import CryptoPathError

AUTO = "auto"


def available() -> list[str]:
    """Names of the paths that this machine has, the fastest first."""
    return [OpensslAes.name, PureAes.name]


def choose(name: str = AUTO) -> CryptoPath:
    """The path of that name; ``auto`` is the fastest one there is.

    Raises:
        CryptoPathError: there is no such path here.
    """
    if name == AUTO:
        name = available()[0]
    match name:
        case OpensslAes.name:
            return SoftwarePath(OpensslAes())
        case PureAes.name:
            return SoftwarePath(PureAes())
        case _:
            raise CryptoPathError(
                f"there is no crypto path {name!r} here; choose one of "
                f"{', '.join([AUTO, *available()])}"
            )
