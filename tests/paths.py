"""Every crypto path and vault of this machine, for suites that run over all of them."""

import pytest

from kfasync.contracts.crypto import Aes, CryptoPath, Vault
from kfasync.crypto.choose import available, choose
from kfasync.crypto.native import NativeAes, tiers
from kfasync.crypto.openssl import OpensslAes
from kfasync.crypto.pure import PureAes

PATHS: list[CryptoPath] = [choose(name) for name in available()]
VAULTS: list[Vault] = list({type(path.vault): path.vault for path in PATHS}.values())

each_path = pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.name))
each_vault = pytest.mark.parametrize("vault", VAULTS, ids=lambda vault: type(vault).__name__)
AES: list[Aes] = [*map(NativeAes, tiers()), OpensslAes(), PureAes()]
each_aes = pytest.mark.parametrize("aes", AES, ids=lambda aes: str(aes.name))

__all__ = ["AES", "PATHS", "VAULTS", "Aes", "CryptoPath", "each_aes", "each_path", "each_vault"]
