"""What the AES of every Python path answers to the questions that NIST and others published."""

from typing import Any

import pytest

from kfasync.contracts.crypto import Aes, AesKey
from kfasync.core import dgi
from kfasync.core.scp03 import key_check_value
from kfasync.secret import Secret
from tests.paths import each_aes
from tests.vectors import entry, name, verified

# FIPS 197, appendix C.1 to C.3: key and cipher text; the plain text is the same for all.
FIPS_197_PLAIN = "00112233445566778899aabbccddeeff"
FIPS_197 = (
    ("000102030405060708090a0b0c0d0e0f", "69c4e0d86a7b0430d8cdb78070b4c55a"),
    (
        "000102030405060708090a0b0c0d0e0f1011121314151617",
        "dda97ca4864cdfe06eaf70a0ec0d7191",
    ),
    (
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "8ea2b7ca516745bfeafc49904b496089",
    ),
)

# NIST SP 800-38A and SP 800-38B examine the same keys and the same four blocks.
KEY_128 = "2b7e151628aed2a6abf7158809cf4f3c"
KEY_192 = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"
KEY_256 = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172a"
    "ae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52ef"
    "f69f2445df4f9b17ad2b417be66c3710"
)

# NIST SP 800-38A, F.2.1 to F.2.6: CBC.
CBC_IV = "000102030405060708090a0b0c0d0e0f"
CBC = (
    (
        KEY_128,
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
        "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
    ),
    (
        KEY_192,
        "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
        "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
    ),
    (
        KEY_256,
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
        "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
    ),
)

# NIST SP 800-38B, D.1 to D.3: key, length of the message, T.
CMAC = (
    (KEY_128, 0, "bb1d6929e95937287fa37d129b756746"),
    (KEY_128, 16, "070a16b46b4d4144f79bdd9dd04a287c"),
    (KEY_128, 40, "dfa66747de9ae63030ca32611497c827"),
    (KEY_128, 64, "51f0bebf7e3b9d92fc49741779363cfe"),
    (KEY_192, 0, "d17ddf46adaacde531cac483de7a9367"),
    (KEY_192, 16, "9e99a7bf31e710900662f65e617c5184"),
    (KEY_192, 40, "8a1de5be2eb31aad089a82e6ee908b0e"),
    (KEY_192, 64, "a1d5df0eed790f794d77589659f39a11"),
    (KEY_256, 0, "028962f61b7bf89efc6b551f4667d983"),
    (KEY_256, 16, "28a7023f452e8f82bd4bf28d8c37c35c"),
    (KEY_256, 40, "aaf3d8f1de5640c232f5b169b9c911e6"),
    (KEY_256, 64, "e1992190549f6ed5696a2c056c315410"),
)

C_DEC = entry("primitives", "yubico-net-cenc")
C_MAC = entry("primitives", "yubico-net-cmac-apdu")
NOT_GP = entry("primitives", "dart-cmac-no-header")


def key_of(aes: Aes, digits: str) -> AesKey:
    return aes.key(Secret.from_hex(digits))


@each_aes
@pytest.mark.parametrize(("digits", "cipher"), FIPS_197, ids=["128", "192", "256"])
def test_fips_197(aes: Aes, digits: str, cipher: str) -> None:
    key, plain = key_of(aes, digits), bytes.fromhex(FIPS_197_PLAIN)
    assert key.bits == 4 * len(digits)
    assert key.encrypt_block(plain).hex() == cipher
    assert key.decrypt_cbc(bytes(16), bytes.fromhex(cipher)) == plain


@each_aes
@pytest.mark.parametrize(("digits", "cipher"), CBC, ids=["128", "192", "256"])
def test_sp_800_38a_cbc(aes: Aes, digits: str, cipher: str) -> None:
    key, icv = key_of(aes, digits), bytes.fromhex(CBC_IV)
    assert key.encrypt_cbc(icv, MESSAGE).hex() == cipher
    assert key.decrypt_cbc(icv, bytes.fromhex(cipher)) == MESSAGE


@each_aes
@pytest.mark.parametrize(("digits", "length", "mac"), CMAC)
def test_sp_800_38b_cmac(aes: Aes, digits: str, length: int, mac: str) -> None:
    assert key_of(aes, digits).cmac(MESSAGE[:length]).hex() == mac


@each_aes
@pytest.mark.parametrize("vector", verified("cmac"), ids=name)
def test_a_cmac_of_another_suite(aes: Aes, vector: dict[str, Any]) -> None:
    mac = key_of(aes, vector["key"]).cmac(bytes.fromhex(vector["message"]))
    assert mac.hex().upper() == vector["mac"]


@each_aes
@pytest.mark.parametrize("vector", verified("primitives", "kcv-"), ids=name)
def test_a_published_key_check_value(aes: Aes, vector: dict[str, Any]) -> None:
    assert key_check_value(key_of(aes, vector["key"])).hex().upper() == vector["kcv"]


@each_aes
def test_command_encryption_with_the_encrypted_counter_for_icv(aes: Aes) -> None:
    s_enc = key_of(aes, C_DEC["s_enc"])
    icv = s_enc.encrypt_block(C_DEC["encryption_counter"].to_bytes(16))
    cipher = s_enc.encrypt_cbc(icv, dgi.pad(bytes.fromhex(C_DEC["plain"])))
    assert cipher.hex().upper() == C_DEC["ciphertext"]


@each_aes
def test_command_mac_over_a_header_and_the_lc_to_come(aes: Aes) -> None:
    # The channel would set CLA to 04, which this source leaves at 00.
    header, chaining_value = (bytes.fromhex(C_MAC[k]) for k in ("plain", "mac_chaining_value"))
    mac = key_of(aes, C_MAC["s_mac"]).cmac(chaining_value + header + b"\x08")
    assert (header + b"\x08" + mac[:8]).hex().upper() == C_MAC["wrapped"]


@each_aes
def test_cbc_and_cmac_together_in_a_protocol_of_another_kind(aes: Aes) -> None:
    # Its MAC leaves the header out, so that no card would take it; the arithmetic is AES's.
    s_enc, s_mac = key_of(aes, NOT_GP["s_enc"]), key_of(aes, NOT_GP["s_mac"])
    icv = s_enc.encrypt_block(NOT_GP["encryption_counter"].to_bytes(16))
    cipher = s_enc.encrypt_cbc(icv, dgi.pad(bytes.fromhex(NOT_GP["plain"])))
    assert s_mac.cmac(bytes(16) + cipher)[:8].hex().upper() == NOT_GP["mac"]
