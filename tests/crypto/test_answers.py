"""Known answers that a path gives before it is trusted: each kind of mistake is noticed."""

import pytest

from kfasync.contracts.crypto import Aes, AesKey, CryptoPath
from kfasync.core.scp03 import SoftwarePath
from kfasync.crypto.answers import check_aes, check_path
from kfasync.crypto.heap import HeapVault
from kfasync.crypto.openssl import OpensslAes
from kfasync.errors import CryptoPathError, KfError
from kfasync.secret import Secret
from tests.paths import each_aes, each_path


class WrongAes:
    """Right in everything except one operation, and there only at one key length.

    Args:
        operation: the method of AesKey that is wrong.
        bits: the key length at which it is.
    """

    name = "wrong"

    def __init__(self, operation: str, bits: int) -> None:
        self._operation = operation
        self._bits = bits

    def key(self, secret: Secret) -> AesKey:
        """Expand a key."""
        key = OpensslAes().key(secret)
        return WrongKey(key, self._operation if key.bits == self._bits else "")


class WrongKey:
    """A key whose one operation has its first bit wrong."""

    def __init__(self, key: AesKey, operation: str) -> None:
        self._key = key
        self._operation = operation
        self.bits = key.bits

    def encrypt_block(self, block: bytes) -> bytes:
        """AES of one block."""
        return self._broken("encrypt_block", self._key.encrypt_block(block))

    def encrypt_cbc(self, icv: bytes, plain: bytes) -> bytes:
        """CBC."""
        return self._broken("encrypt_cbc", self._key.encrypt_cbc(icv, plain))

    def decrypt_cbc(self, icv: bytes, cipher: bytes) -> bytes:
        """CBC, backwards."""
        return self._broken("decrypt_cbc", self._key.decrypt_cbc(icv, cipher))

    def cmac(self, message: bytes) -> bytes:
        """CMAC."""
        return self._broken("cmac", self._key.cmac(message))

    def _broken(self, operation: str, right: bytes) -> bytes:
        return bytes((right[0] ^ 0x80,)) + right[1:] if operation == self._operation else right


@each_aes
def test_a_right_aes_gives_its_known_answers(aes: Aes) -> None:
    check_aes(aes)


@each_path
def test_a_right_path_gives_its_known_answers(path: CryptoPath) -> None:
    check_path(path)


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_a_wrong_cmac_is_noticed_at_every_key_length(bits: int) -> None:
    with pytest.raises(CryptoPathError, match=f"wrong fails a known answer of AES-{bits}-CMAC"):
        check_aes(WrongAes("cmac", bits))


@pytest.mark.parametrize("operation", ["encrypt_block", "encrypt_cbc", "decrypt_cbc", "cmac"])
def test_a_path_with_any_operation_wrong_is_noticed(operation: str) -> None:
    path = SoftwarePath(WrongAes(operation, 128), HeapVault())
    with pytest.raises(CryptoPathError, match="wrong fails a known answer of SCP03") as caught:
        check_path(path)
    # What is decrypted wrongly behind a right R-MAC is nobody's error: only comparing shows it.
    assert isinstance(caught.value.__cause__, KfError) is (operation != "decrypt_cbc")
