"""The oracle, held against OpenSSL for keys and messages of every length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.crypto.openssl import OpensslAes
from kfasync.crypto.pure import PureAes, PureKey
from kfasync.secret import Secret

block = st.binary(min_size=16, max_size=16)
blocks = st.lists(block, max_size=5).map(b"".join)
keys = st.one_of(*(st.binary(min_size=size, max_size=size) for size in (16, 24, 32))).map(Secret)


@given(keys, block)
def test_a_block_is_encrypted_as_by_openssl(key: Secret, plain: bytes) -> None:
    assert PureAes().key(key).encrypt_block(plain) == OpensslAes().key(key).encrypt_block(plain)


@given(keys, block, blocks)
def test_cbc_is_that_of_openssl_and_its_own_inverse(key: Secret, icv: bytes, plain: bytes) -> None:
    pure, openssl = PureAes().key(key), OpensslAes().key(key)
    cipher = pure.encrypt_cbc(icv, plain)
    assert cipher == openssl.encrypt_cbc(icv, plain)
    assert pure.decrypt_cbc(icv, cipher) == openssl.decrypt_cbc(icv, cipher) == plain


@given(keys, st.binary(max_size=70))
def test_cmac_is_that_of_openssl(key: Secret, message: bytes) -> None:
    assert PureAes().key(key).cmac(message) == OpensslAes().key(key).cmac(message)


@pytest.mark.parametrize("size", [0, 15, 17, 33, 64])
def test_a_key_of_another_length_is_refused_without_being_shown(size: int) -> None:
    with pytest.raises(ValueError, match=f"16, 24 or 32 bytes, not {size}$"):
        PureKey(b"\x5a" * size)
