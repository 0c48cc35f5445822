"""RFC 9180's own values, and what an independent sender seals."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from kfasync.contracts.klms import SUITE, Sealed
from kfasync.crypto.choose import available, choose
from kfasync.crypto.heap import HeapVault
from kfasync.klms.seal import recipient_key, seal
from kfasync.secret import Secret
from kfasync.sources.klms.seal import BLOCK_MAX, TAG_SIZE, RecipientKey
from tests.klms.test_seal import RFC

# RFC 9180, A.3.1: what the key schedule gives.
KEY = bytes.fromhex("868c066ef58aae6dc589b6cfdd18f97e")
BASE_NONCE = bytes.fromhex("4e0bc5018beba4bf004cca59")
INFO = b"for whom it is"
BLOCK = b"the key block of one fob"

vaults = pytest.mark.parametrize("path", available())


@vaults
def test_the_values_of_the_rfc_open(path: str) -> None:
    raw = {name: bytes.fromhex(value) for name, value in RFC.items()}
    recipient = RecipientKey(ec.derive_private_key(int.from_bytes(raw["skRm"]), ec.SECP256R1()))
    # The RFC's own ciphertext has an aad; under its key and nonce this one has none.
    sealed = Sealed(SUITE, raw["enc"], AESGCM(KEY).encrypt(BASE_NONCE, raw["pt"], b""))
    assert recipient.open(sealed, raw["info"], choose(path).vault) == Secret(raw["pt"])


@vaults
def test_what_another_implementation_seals_opens(path: str) -> None:
    recipient = RecipientKey()
    sealed = seal(Secret(BLOCK), recipient_key(recipient.public), INFO)
    assert recipient.open(sealed, INFO, choose(path).vault) == Secret(BLOCK)


def test_every_key_is_another() -> None:
    assert len({RecipientKey().public for _ in range(8)}) == 8


@given(st.data())
def test_a_changed_bit_anywhere_does_not_open(data: st.DataObject) -> None:
    recipient = RecipientKey()
    sealed = seal(Secret(BLOCK), recipient_key(recipient.public), INFO)
    parts = {"enc": sealed.enc, "ciphertext": sealed.ciphertext, "info": INFO}
    name = data.draw(st.sampled_from(sorted(parts)))
    bit = data.draw(st.integers(0, 8 * len(parts[name]) - 1))
    changed = bytearray(parts[name])
    changed[bit // 8] ^= 1 << bit % 8
    parts[name] = bytes(changed)
    with pytest.raises(ValueError, match=r"tag|EC key|point"):
        recipient.open(Sealed(SUITE, parts["enc"], parts["ciphertext"]), parts["info"], HeapVault())


class Keeping(HeapVault):
    """Remembers what it gave out."""

    def __init__(self) -> None:
        self.given: list[Secret] = []

    def secret(self, size: int) -> Secret:
        self.given.append(super().secret(size))
        return self.given[-1]


@pytest.mark.parametrize("sealed_to", ["us", "somebody else"])
def test_nothing_is_left_of_key_and_of_what_nobody_vouches_for(sealed_to: str) -> None:
    vault, recipient = Keeping(), RecipientKey()
    sealed = seal(Secret(BLOCK), recipient_key(recipient.public), INFO)
    if sealed_to == "us":
        recipient.open(sealed, INFO, vault)
        key, block = vault.given
        assert block == Secret(BLOCK)
    else:
        with pytest.raises(ValueError, match="tag"):
            RecipientKey().open(sealed, INFO, vault)
        key, block = vault.given
        assert not any(block.expose())
    assert not any(key.expose())


@pytest.mark.parametrize("size", [TAG_SIZE, BLOCK_MAX + TAG_SIZE + 1])
def test_a_block_of_no_possible_size_is_not_tried(size: int) -> None:
    recipient = RecipientKey()
    with pytest.raises(ValueError, match=f"a sealed block of {size} bytes"):
        recipient.open(Sealed(SUITE, recipient.public, bytes(size)), INFO, HeapVault())
