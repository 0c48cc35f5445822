"""Known answers that a crypto path gives before it is trusted with a fob.

NIST SP 800-38B for CMAC (its examples), and one whole SCP03 session of a real card at the
highest security level, captured by osmocom/pysim (tests/unittests/test_globalplatform.py,
SCP03_Test_AES128_33): session keys, both cryptograms, C-MAC, C-DECRYPTION, R-MAC and
R-ENCRYPTION enter it.
"""

from kfasync.contracts.crypto import Aes, CryptoPath
from kfasync.errors import CryptoPathError, KfError
from kfasync.model import KeyCheckValues, KeySet, Layout, Opening, Scp03Mode, SecurityLevel
from kfasync.secret import Secret

_CMAC = (
    (
        "2B7E151628AED2A6ABF7158809CF4F3C",
        "6BC1BEE22E409F96E93D7E117393172A",
        "070A16B46B4D4144F79BDD9DD04A287C",
    ),
    (
        "8E73B0F7DA0E6452C810F32B809079E562F8EAD2522C6B7B",
        "6BC1BEE22E409F96E93D7E117393172A",
        "9E99A7BF31E710900662F65E617C5184",
    ),
    (
        "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4",
        "",
        "028962F61B7BF89EFC6B551F4667D983",
    ),
)

_KEYS = KeySet(
    0x30,
    Secret.from_hex("000102030405060708090A0B0C0D0E0F"),
    Secret.from_hex("101112131415161718191A1B1C1D1E1F"),
    Secret.from_hex("202122232425262728292A2B2C2D2E2F"),
    KeyCheckValues(bytes.fromhex("C35280"), bytes.fromhex("013808"), bytes.fromhex("840DE5")),
)
_OPENING = Opening(
    host_challenge=bytes.fromhex("FDF38259A1E0DE44"),
    answer=bytes.fromhex("000000000000000000003003703B1ACA81E821F219081CDC01C26B372D000003"),
    key_version=0x30,
    security_level=SecurityLevel.C_MAC_C_DECRYPTION_R_MAC_R_ENCRYPTION,
    scp03_mode=Scp03Mode.S8,
    layouts=(Layout.GP,),
    aid=bytes.fromhex("A0000005591010FFFFFFFF8900000100"),
)
_EXTERNAL_AUTHENTICATE = bytes.fromhex("84823300108C36F96BCC00724A4E13AD591D7DA3F0")
_PLAIN = bytes.fromhex("80E2910006BF3E035C015A00")
_WRAPPED = bytes.fromhex("84E2910018267A85DFE4A98FCA6FB0527E0DFECCE4914E40401433C87F00")
_ANSWER = bytes.fromhex(
    "F3BA2B1013AA6224F5E1C138D71805C569E5439B47576260B75FC021B25097CB2E68F8A0144975B99000"
)
_OPENED = bytes.fromhex("BF3E125A10898821199000000000000000000000059000")


def check_aes(aes: Aes) -> None:
    """Raise CryptoPathError unless CMAC is right for every key length."""
    for key, message, mac in _CMAC:
        if aes.key(Secret.from_hex(key)).cmac(bytes.fromhex(message)) != bytes.fromhex(mac):
            raise CryptoPathError(
                f"crypto path {aes.name} fails a known answer of AES-{4 * len(key)}-CMAC; "
                "choose another path"
            )


def check_path(path: CryptoPath) -> None:
    """Raise CryptoPathError unless the captured session comes out byte for byte."""
    try:
        channel = path.load(_KEYS).open_session(_OPENING)
        found = (channel.external_authenticate, channel.wrap([_PLAIN])[0], channel.unwrap(_ANSWER))
    except KfError as error:
        raise _wrong(path) from error
    if found != (_EXTERNAL_AUTHENTICATE, _WRAPPED, _OPENED):
        raise _wrong(path)


def _wrong(path: CryptoPath) -> CryptoPathError:
    return CryptoPathError(
        f"crypto path {path.name} fails a known answer of SCP03; choose another path"
    )
