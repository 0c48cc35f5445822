"""What every vault keeps to, wherever it keeps the secrets."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from kfasync.contracts.crypto import Vault
from kfasync.secret import Secret
from tests.paths import VAULTS, each_vault

# The order of P-256 (SEC 2, 2.4.2).
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
scalars = st.integers(1, ORDER - 1) | st.sampled_from([1, 2, 3, ORDER - 2, ORDER - 1])


def pkcs8(value: int) -> bytes:
    key = ec.derive_private_key(value, ec.SECP256R1())
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def point(value: int) -> bytes:
    key = ec.derive_private_key(value, ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@each_vault
@pytest.mark.parametrize("size", [0, 1, 16, 32, 4096])
def test_a_new_secret_is_zeros_that_can_be_written(vault: Vault, size: int) -> None:
    secret = vault.secret(size)
    assert bytes(secret.expose()) == bytes(size)
    secret.writable()[:] = b"\xa5" * size
    assert secret == Secret(b"\xa5" * size)
    secret.wipe()
    assert secret == Secret(bytes(size))


@each_vault
def test_two_secrets_never_share_their_bytes(vault: Vault) -> None:
    one, other = vault.secret(32), vault.secret(32)
    one.writable()[:] = b"\xff" * 32
    assert bytes(other.expose()) == bytes(32)


@each_vault
def test_a_view_outlives_its_secret_and_shows_zeros(vault: Vault) -> None:
    secret = vault.secret(32)
    secret.writable()[:] = b"\xff" * 32
    view = secret.expose()
    del secret
    other = vault.secret(32)
    other.writable()[:] = b"\x11" * 32
    assert bytes(view) == bytes(32)


@each_vault
@given(value=scalars)
def test_a_key_is_read_with_its_public_point(vault: Vault, value: int) -> None:
    scalar, public = vault.scalar(Secret(pkcs8(value)))
    assert scalar == Secret(value.to_bytes(32, "big"))
    assert public == point(value)


@each_vault
@given(value=scalars, at=st.integers(0, 137), to=st.integers(0, 255))
def test_a_changed_file_gives_a_key_that_is_right_or_none(
    vault: Vault, value: int, at: int, to: int
) -> None:
    data = bytearray(pkcs8(value))
    data[at] = to
    try:
        scalar, public = vault.scalar(Secret(data))
    except ValueError:
        return
    assert public == point(int.from_bytes(scalar.expose(), "big"))


@given(value=scalars, at=st.integers(0, 137), to=st.integers(0, 255))
def test_what_the_strictest_vault_takes_the_others_take(value: int, at: int, to: int) -> None:
    data = bytearray(pkcs8(value))
    data[at] = to
    try:
        read = VAULTS[0].scalar(Secret(data))
    except ValueError:
        return
    assert all(vault.scalar(Secret(data)) == read for vault in VAULTS)


@each_vault
@given(data=st.binary(max_size=600))
def test_base64_is_read_back(vault: Vault, data: bytes) -> None:
    assert vault.base64(Secret(base64.b64encode(data))) == Secret(data)


@each_vault
@pytest.mark.parametrize("text", [b"QUJD=", b"QUJD====", b"QQ===", b"=", b"====", b"QQ==QQ=="])
def test_padding_that_nothing_needs_is_refused(vault: Vault, text: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not base64"):
        vault.base64(Secret(text))


@each_vault
@given(text=st.text("AZaz09+/=-_ \n", max_size=24) | st.text(max_size=8))
def test_base64_is_taken_as_pythons_strict_decoder_takes_it(vault: Vault, text: str) -> None:
    encoded = text.encode()
    try:
        expected = base64.b64decode(encoded, validate=True)
    except ValueError:
        expected = None
    if expected is None or len(encoded) != 4 * -(-len(expected) // 3):
        with pytest.raises(ValueError, match=r"^not base64"):
            vault.base64(Secret(encoded))
    else:
        assert vault.base64(Secret(encoded)) == Secret(expected)
