"""SCP03's key derivation, and the diversifications that are built on the same CMAC."""

from typing import Any

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB

from kfasync.contracts.crypto import Aes, AesKey
from kfasync.core.kdf import DerivationConstant, derive, kbkdf
from kfasync.core.scp03 import key_check_value
from kfasync.crypto.openssl import OpensslAes
from kfasync.secret import Secret
from tests.paths import each_aes
from tests.vectors import entry, name, verified

KEY_IDS = {"enc": 1, "mac": 2, "dek": 3}
AN10922 = entry("diversification", "an10922-aes128")
AN10922_WRONG = entry("diversification", "an10922-issue91-negative")
EMV = entry("diversification", "gppro-emv-3des")
# Two of the derivations here have key check values for a witness and nothing else.
SESSION_KEYS = entry("kdf", "gppro-session-keys")


def key_of(aes: Aes, digits: str) -> AesKey:
    return aes.key(Secret.from_hex(digits))


def kcv(aes: Aes, key: bytes) -> str:
    return key_check_value(aes.key(Secret(key))).hex().upper()


@each_aes
@pytest.mark.parametrize("vector", verified("kdf", of="SCP03 KDF"), ids=name)
def test_a_published_derivation(aes: Aes, vector: dict[str, Any]) -> None:
    derived = derive(
        key_of(aes, vector["key"]),
        int(vector["constant"], 16),
        bytes.fromhex(vector["context"]),
        bits=vector["L_bits"],
    )
    assert derived.hex().upper() == vector["output"]


@each_aes
@pytest.mark.parametrize("vector", verified("kdf", of="generic SP 800-108"), ids=name)
def test_cavp_answers_of_a_counter_between_its_inputs(aes: Aes, vector: dict[str, Any]) -> None:
    before, after = bytes.fromhex(vector["before"]), bytes.fromhex(vector["after"])
    derived = kbkdf(key_of(aes, vector["key"]), before, after, bits=vector["L_bits"])
    assert derived.hex().upper() == vector["output"]


@each_aes
@pytest.mark.parametrize(
    ("part", "constant"),
    [
        ("s_enc", DerivationConstant.S_ENC),
        ("s_mac", DerivationConstant.S_MAC),
        ("s_rmac", DerivationConstant.S_RMAC),
    ],
)
def test_session_keys_have_the_published_check_values(
    aes: Aes, part: str, constant: DerivationConstant
) -> None:
    context = bytes.fromhex(SESSION_KEYS["context"])
    bits = SESSION_KEYS["L_bits"]
    key = derive(key_of(aes, SESSION_KEYS["key"]), constant, context, bits=bits)
    assert kcv(aes, key) == SESSION_KEYS["kcv"][part]


@each_aes
def test_the_dek_of_a_session_is_the_static_one(aes: Aes) -> None:
    assert kcv(aes, bytes.fromhex(SESSION_KEYS["key"])) == SESSION_KEYS["kcv"]["dek"]


@each_aes
@pytest.mark.parametrize("bits", [-8, 0, 1, 7, 12, 264, 65536])
def test_a_length_that_is_no_whole_number_of_bytes_up_to_256_bits_is_refused(
    aes: Aes, bits: int
) -> None:
    with pytest.raises(ValueError, match=f"L is {bits} bits"):
        kbkdf(key_of(aes, "00" * 16), b"", b"", bits=bits)


@each_aes
@pytest.mark.parametrize("bits", [8, 64, 128, 136, 192, 256])
def test_the_output_has_as_many_bits_as_were_asked_for(aes: Aes, bits: int) -> None:
    derived = derive(key_of(aes, "00" * 16), DerivationConstant.S_ENC, bytes(16), bits=bits)
    assert 8 * len(derived) == bits


def test_the_length_is_part_of_what_is_derived_over() -> None:
    key = key_of(OpensslAes(), "00" * 16)
    short = derive(key, DerivationConstant.CARD_CRYPTOGRAM, bytes(16), bits=64)
    long = derive(key, DerivationConstant.CARD_CRYPTOGRAM, bytes(16), bits=128)
    assert not long.startswith(short)


# --------------------------------------------------------------------------- diversification


@each_aes
@pytest.mark.parametrize("part", KEY_IDS)
@pytest.mark.parametrize("vector", verified("diversification", "gppro-kdf3"), ids=name)
def test_kdf3_without_a_length_field(aes: Aes, vector: dict[str, Any], part: str) -> None:
    master, kdd = key_of(aes, vector["master"]), bytes.fromhex(vector["kdd"])
    after = bytes((0, 0, 0, KEY_IDS[part], 0)) + kdd
    key = kbkdf(master, b"", after, bits=master.bits)
    assert kcv(aes, key) == vector["kcv"][part]
    assert key.hex().upper() == vector["derived_recomputed"][part]


def doubled(block: bytes) -> bytes:
    """A CMAC subkey from the one before it (NIST SP 800-38B, 6.1)."""
    value = int.from_bytes(block) << 1
    return ((value ^ 0x87) & (1 << 128) - 1 if value >> 128 else value).to_bytes(16)


def an10922(key: AesKey, diversification_input: bytes) -> bytes:
    """Key diversification for AES-128 (NXP AN10922, 2.2)."""
    message = b"\x01" + diversification_input
    subkey = doubled(key.encrypt_block(bytes(16)))
    if len(message) < 32:
        # To 32 bytes always, where CMAC would be content with 16: that is the difference.
        message, subkey = (message + b"\x80").ljust(32, b"\0"), doubled(subkey)
    last = bytes(a ^ b for a, b in zip(message[16:], subkey, strict=True))
    return key.encrypt_cbc(bytes(16), message[:16] + last)[16:]


@each_aes
def test_an10922(aes: Aes) -> None:
    key = key_of(aes, AN10922["master"])
    derived = an10922(key, bytes.fromhex(AN10922["diversification_input"]))
    assert derived.hex().upper() == AN10922["derived"]


@each_aes
def test_an10922_is_not_a_plain_cmac(aes: Aes) -> None:
    key = key_of(aes, AN10922_WRONG["master"])
    given = bytes.fromhex(AN10922_WRONG["diversification_input"])
    # A published mistake: right as a CMAC, and wrong as a diversified key.
    assert key.cmac(b"\x01" + given).hex().upper() == AN10922_WRONG["derived"]
    assert an10922(key, given).hex().upper() != AN10922_WRONG["derived"]


@pytest.mark.parametrize("part", KEY_IDS)
def test_emv_diversification_has_the_published_check_values(part: str) -> None:
    # EMV CPS diversifies by triple DES. No AES path can run this entry, so that it witnesses
    # only that the entry, and with it the reading of its source, is right.
    data = bytes.fromhex(EMV["kdd"])[4:]
    halves = (data + bytes((filler, KEY_IDS[part])) for filler in (0xF0, 0x0F))
    key = triple_des(bytes.fromhex(EMV["master"]), b"".join(halves))
    assert triple_des(key, bytes(8))[:3].hex().upper() == EMV["kcv"][part]
    assert key.hex().upper() == EMV["derived_recomputed"][part]


def triple_des(key: bytes, data: bytes) -> bytes:
    """Two-key triple DES, block by block."""
    cipher = Cipher(TripleDES(key + key[:8]), ECB()).encryptor()
    return cipher.update(data) + cipher.finalize()
