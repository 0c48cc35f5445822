import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.crypto.pure import PureAes
from kfasync.klms.kdf3 import Kdf3, MemoryKey, UidPadding, check_value
from kfasync.model import KeySet
from kfasync.secret import Secret

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/scp03.json").read_text("utf-8"))
PUBLISHED = [one for one in VECTORS["diversification"] if one["name"].startswith("gppro-kdf3")]


def kdf3(master: bytes, *, padding: str = "raw", length_field: bool = True) -> Kdf3:
    key = MemoryKey(Secret(master))
    return Kdf3(key, kvn=255, padding=UidPadding(padding), length_field=length_field)


def by_hand(master: bytes, uid: bytes, key_id: int, *, length: bytes) -> bytes:
    """The formula, over the CMAC of another implementation."""
    key = PureAes().key(Secret(master))
    blocks = [
        key.cmac(bytes((counter, 0, 0, 0, key_id, 0)) + uid + length)
        for counter in range(1, -(-len(master) // 16) + 1)
    ]
    return b"".join(blocks)[: len(master)]


def values(keys: KeySet) -> dict[str, bytes]:
    return {name: bytes(getattr(keys, name).expose()) for name in ("enc", "mac", "dek")}


@pytest.mark.parametrize("vector", PUBLISHED, ids=lambda vector: vector["name"])
def test_without_the_length_field_the_published_answers_come_out(vector: dict[str, Any]) -> None:
    derived = kdf3(bytes.fromhex(vector["master"]), length_field=False).derive(
        bytes.fromhex(vector["kdd"])
    )
    assert {name: getattr(derived.kcv, name).hex().upper() for name in vector["kcv"]} == vector[
        "kcv"
    ]
    assert {name: key.hex().upper() for name, key in values(derived).items()} == vector[
        "derived_recomputed"
    ]


@given(st.sampled_from([16, 24, 32]), st.binary(min_size=4, max_size=10), st.randoms())
def test_with_the_length_field_it_is_the_formula(size: int, uid: bytes, random: Any) -> None:
    master = random.randbytes(size)
    derived = values(kdf3(master).derive(uid))
    length = (8 * size).to_bytes(2)
    for key_id, name in enumerate(("enc", "mac", "dek"), 1):
        assert derived[name] == by_hand(master, uid, key_id, length=length)


@pytest.mark.parametrize(
    ("padding", "padded"),
    [("raw", "04A1B2C3"), ("left", "00000000000004A1B2C3"), ("right", "04A1B2C3000000000000")],
)
def test_a_short_uid_is_padded_as_configured(padding: str, padded: str) -> None:
    master = bytes(range(16))
    derived = values(kdf3(master, padding=padding).derive(bytes.fromhex("04A1B2C3")))
    assert derived["enc"] == by_hand(master, bytes.fromhex(padded), 1, length=b"\x00\x80")


def test_a_uid_of_ten_bytes_is_the_same_under_every_padding() -> None:
    kinds = [kdf3(bytes(16), padding=one.value).derive(bytes(range(10))) for one in UidPadding]
    assert len({values(keys)["enc"] for keys in kinds}) == 1


def test_check_values_are_those_of_the_keys() -> None:
    keys = kdf3(bytes(16)).derive(b"\x04\x01\x02\x03")
    for name, key in values(keys).items():
        assert getattr(keys.kcv, name) == check_value(key)
        assert check_value(key) == PureAes().key(Secret(key)).encrypt_block(b"\x01" * 16)[:3]


@pytest.mark.parametrize("size", [0, 8, 15, 33])
def test_a_master_key_is_as_long_as_an_aes_key(size: int) -> None:
    with pytest.raises(ValueError, match=f"not {size}"):
        MemoryKey(Secret(bytes(size)))


def test_a_memory_key_says_so() -> None:
    assert (MemoryKey(Secret(bytes(32))).key_store, MemoryKey(Secret(bytes(32))).size) == (
        "memory",
        32,
    )
