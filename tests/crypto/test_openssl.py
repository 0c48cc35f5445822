"""What is OpenSSL's own: keys that it would take and we do not."""

import pytest

from kfasync.crypto.openssl import OpensslAes
from kfasync.secret import Secret


def test_the_two_keys_of_xts_are_not_an_aes_key() -> None:
    with pytest.raises(ValueError, match="16, 24 or 32 bytes, not 64"):
        OpensslAes().key(Secret(bytes(range(64))))


def test_one_key_makes_many_macs() -> None:
    key = OpensslAes().key(Secret(bytes(16)))
    first = key.cmac(b"one")
    assert key.cmac(b"another") != first
    assert key.cmac(b"one") == first
