"""The key block: any bytes make a fob's secrets or a refusal, and nothing is quoted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.crypto.heap import HeapVault
from kfasync.errors import KeyBlockError
from kfasync.model import Item
from kfasync.secret import Secret
from kfasync.sources.keyblock import KeyBlock, read_key_block

KEYS = [(0x01, b"E" * 16), (0x02, b"M" * 16), (0x03, b"D" * 16)]
WHOLE = [*KEYS, (0x10, b"S" * 32), (0x11, b"I" * 16)]
PLAIN = tuple(Item(dgi, b"plain") for dgi in (0xA001, 0xA002, 0xA004, 0xA005))


def block(entries: list[tuple[int, bytes]]) -> bytes:
    return b"".join(bytes((tag,)) + len(value).to_bytes(2) + value for tag, value in entries)


def read(entries: bytes, plain: tuple[Item, ...] = PLAIN) -> KeyBlock:
    return read_key_block(memoryview(entries), plain, HeapVault())


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_a_block_gives_keys_scalar_and_irk_whatever_their_order(bits: int) -> None:
    keys = [(tag, value[:1] * (bits // 8)) for tag, value in KEYS]
    got = read(block([*WHOLE[3:], *reversed(keys)]))
    assert [got.enc, got.mac, got.dek] == [Secret(value) for _, value in keys]
    assert [got.scalar, got.irk] == [Secret(b"S" * 32), Secret(b"I" * 16)]
    assert got.further == ()
    assert got.secrets == (got.enc, got.mac, got.dek, got.scalar, got.irk)


def test_further_secrets_go_behind_all_others() -> None:
    got = read(block([*WHOLE, (0x20, b"\xb0\x01one"), (0x20, b"\xb0\x02two")]))
    items = got.items(PLAIN)
    assert [item.dgi for item in items] == [
        0xA003, 0xA001, 0xA002, 0xA004, 0xA005, 0xA006, 0xB001, 0xB002,
    ]  # fmt: skip
    assert [item.under_dek for item in items] == [True, *[False] * 7]
    assert [item.value for item in items[-2:]] == [Secret(b"one"), Secret(b"two")]
    assert len(got.secrets) == 7


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        (block(WHOLE)[:-1], "part 5 is cut short"),
        (block(WHOLE) + b"\x20", "part 6 is cut short"),
        (block([*WHOLE, (0x12, b"x")]), "unknown tag 12"),
        (block([*WHOLE, (0x00, b"")]), "unknown tag 00"),
        (block([*WHOLE, (0x01, b"E" * 16)]), "tag 01 2 times"),
        (block(WHOLE[1:]), "tag 01 0 times"),
        (block([*KEYS, (0x10, b"S" * 31), (0x11, b"I" * 16)]), "tag 10 has 31 bytes"),
        (block([(0x01, b"E" * 17), *WHOLE[1:]]), "tag 01 has 17 bytes"),
        (block([*WHOLE, (0x20, b"\xb0\x01")]), "without a DGI or without a value"),
        (block([*WHOLE, (0x20, b"\0\0x")]), "without a DGI or without a value"),
        (block([*WHOLE, (0x20, b"\xa0\x06i")]), "DGI A006 twice"),
        (block([*WHOLE, (0x20, b"\xa0\x02c")]), "DGI A002 twice"),
        (b"", "tag 01 0 times"),
    ],
)
def test_a_block_that_is_not_one_is_refused_without_a_word_of_it(
    entries: bytes, sentence: str
) -> None:
    with pytest.raises(KeyBlockError, match=sentence) as caught:
        read(entries)
    for _, value in WHOLE:
        assert value.decode() not in str(caught.value)


@pytest.mark.parametrize(
    ("plain", "sentence"),
    [
        (PLAIN[:-1], "no DGI A005"),
        ((*PLAIN, PLAIN[0]), "DGI A001 twice"),
        ((*PLAIN, Item(0xA003, b"in the clear")), "DGI A003 in the clear"),
    ],
)
def test_a_fob_that_is_not_whole_is_refused(plain: tuple[Item, ...], sentence: str) -> None:
    with pytest.raises(KeyBlockError, match=sentence):
        read(block(WHOLE), plain)


@given(st.binary(max_size=60) | st.binary(max_size=9).map(lambda tail: block(WHOLE) + tail))
def test_any_bytes_make_secrets_or_a_refusal(entries: bytes) -> None:
    try:
        got = read(entries)
    except KeyBlockError:
        return
    assert sum(len(secret) for secret in got.secrets) < len(entries)
