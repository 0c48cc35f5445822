"""Which crypto path a station runs on."""

from kfasync.core.scp03 import SoftwarePath
from kfasync.crypto.answers import check_aes, check_path
from kfasync.crypto.api import Aes, CryptoPath
from kfasync.crypto.openssl import OpensslAes
from kfasync.crypto.pure import PureAes
from kfasync.errors import CryptoPathError

AUTO = "auto"


def available() -> list[str]:
    """Names of the paths that this machine has, the fastest first."""
    return [OpensslAes.name, PureAes.name]


def choose(name: str = AUTO) -> CryptoPath:
    """The path of that name, after its known answers; ``auto`` is the fastest one there is.

    Raises:
        CryptoPathError: there is no such path here, or it fails a known answer.
    """
    if name == AUTO:
        name = available()[0]
    aes: Aes
    match name:
        case OpensslAes.name:
            aes = OpensslAes()
        case PureAes.name:
            aes = PureAes()
        case _:
            raise CryptoPathError(
                f"there is no crypto path {name!r} here; choose one of "
                f"{', '.join([AUTO, *available()])}"
            )
    check_aes(aes)
    path = SoftwarePath(aes)
    check_path(path)
    return path
