"""Every crypto path of this machine, for suites that run over all of them."""

import pytest

from kfasync.crypto.api import Aes, CryptoPath
from kfasync.crypto.choose import available, choose
from kfasync.crypto.openssl import OpensslAes
from kfasync.crypto.pure import PureAes

each_path = pytest.mark.parametrize("path", [choose(name) for name in available()], ids=available())
each_aes = pytest.mark.parametrize("aes", [OpensslAes(), PureAes()], ids=lambda aes: str(aes.name))

__all__ = ["Aes", "CryptoPath", "each_aes", "each_path"]
