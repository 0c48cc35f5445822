import struct

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from kfasync.contracts.klms import SUITE, canonical, info
from kfasync.klms.seal import key_block, recipient_key, seal
from kfasync.model import KeyCheckValues, KeySet
from kfasync.secret import Secret
from tests.klms.hpke_by_hand import decap, open_base

PRIVATE = ec.generate_private_key(ec.SECP256R1())
POINT = PRIVATE.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
KEYS = KeySet(
    255, Secret(b"e" * 16), Secret(b"m" * 16), Secret(b"d" * 16), KeyCheckValues(b"", b"", b"")
)
SCALAR, IRK = Secret(b"s" * 32), Secret(b"i" * 16)
PLAIN = canonical({"lease_id": "l-1", "ttl_s": 5})
INFO = info("l-1", b"\x04\xa1\xb2\xc3", "EOL-01", PLAIN)

# RFC 9180, A.3.1 and A.3.1.1, sequence number 0.
RFC = {
    "info": "4f6465206f6e2061204772656369616e2055726e",
    "skRm": "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2",
    "enc": "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac9"
    "8536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4",
    "shared_secret": "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8",
    "aad": "436f756e742d30",
    "pt": "4265617574792069732074727574682c20747275746820626561757479",
    "ct": "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f"
    "9076ac232e3ab2523f39513434",
}


def test_the_reading_by_hand_passes_the_vectors_of_the_rfc() -> None:
    raw = {name: bytes.fromhex(value) for name, value in RFC.items()}
    private = ec.derive_private_key(int.from_bytes(raw["skRm"]), ec.SECP256R1())
    assert decap(private, raw["enc"]) == raw["shared_secret"]
    assert open_base(private, raw["enc"], raw["info"], raw["aad"], raw["ct"]) == raw["pt"]


def test_what_the_server_seals_opens_by_hand() -> None:
    sealed = seal(key_block(KEYS, SCALAR, IRK), recipient_key(POINT), INFO)
    assert sealed.suite == SUITE
    block = open_base(PRIVATE, sealed.enc, INFO, b"", sealed.ciphertext)
    assert tlv(block) == [
        (0x01, b"e" * 16),
        (0x02, b"m" * 16),
        (0x03, b"d" * 16),
        (0x10, b"s" * 32),
        (0x11, b"i" * 16),
    ]


def test_further_items_carry_their_dgi() -> None:
    block = key_block(KEYS, SCALAR, IRK, [(0xA007, Secret(b"more"))])
    assert tlv(bytes(block.expose()))[-1] == (0x20, b"\xa0\x07more")


def test_every_seal_has_a_new_ephemeral_key() -> None:
    block = key_block(KEYS, SCALAR, IRK)
    assert len({seal(block, recipient_key(POINT), INFO).enc for _ in range(8)}) == 8


@given(st.data())
def test_a_changed_bit_anywhere_does_not_open(data: st.DataObject) -> None:
    sealed = seal(key_block(KEYS, SCALAR, IRK), recipient_key(POINT), INFO)
    parts = {"enc": sealed.enc, "ciphertext": sealed.ciphertext, "info": INFO}
    name = data.draw(st.sampled_from(sorted(parts)))
    bit = data.draw(st.integers(0, 8 * len(parts[name]) - 1))
    changed = bytearray(parts[name])
    changed[bit // 8] ^= 1 << bit % 8
    parts[name] = bytes(changed)
    # ValueError: a point that is not on the curve.
    with pytest.raises((InvalidTag, ValueError)):
        open_base(PRIVATE, parts["enc"], parts["info"], b"", parts["ciphertext"])


@pytest.mark.parametrize(
    "other",
    [
        info("l-2", b"\x04\xa1\xb2\xc3", "EOL-01", PLAIN),
        info("l-1", b"\x04\xa1\xb2\xc4", "EOL-01", PLAIN),
        info("l-1", b"\x04\xa1\xb2\xc3", "EOL-02", PLAIN),
        info("l-1", b"\x04\xa1\xb2\xc3", "EOL-01", PLAIN.replace(b"5", b"6")),
        info("l-", b"1\x04\xa1\xb2\xc3", "EOL-01", PLAIN),
    ],
    ids=["lease", "uid", "station", "plain part", "shifted"],
)
def test_a_blob_cannot_be_moved(other: bytes) -> None:
    sealed = seal(key_block(KEYS, SCALAR, IRK), recipient_key(POINT), INFO)
    with pytest.raises(InvalidTag):
        open_base(PRIVATE, sealed.enc, other, b"", sealed.ciphertext)


def test_what_is_no_point_of_the_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="Invalid EC key"):
        recipient_key(POINT[:-1] + bytes((POINT[-1] ^ 1,)))


def tlv(block: bytes) -> list[tuple[int, bytes]]:
    found = []
    while block:
        tag, size = struct.unpack_from(">BH", block)
        found.append((tag, block[3 : 3 + size]))
        block = block[3 + size :]
    return found
