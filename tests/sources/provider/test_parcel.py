"""What a lease has brought: any bytes make a parcel or a refusal, and secrets go one way."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.crypto.heap import HeapVault
from kfasync.errors import ProviderError
from kfasync.model import Item
from kfasync.secret import Secret
from kfasync.sources.provider.memory import ITEMS_SIZE
from kfasync.sources.provider.parcel import Slip, Unpacked, unpack
from tests.sources.provider.hosts import seat

SPID = "59918C0096F859EC8BF6DA454E2E554A14DD4BD1"
CAPACITY = 4096
PLAIN = [(0xA001, SPID.encode()), (0xA002, b"fob"), (0xA004, b"ica"), (0xA005, b"root")]
KEYS = [(0x01, b"E" * 16), (0x02, b"M" * 16), (0x03, b"D" * 16)]
BLOCK = [*KEYS, (0x10, b"S" * 32), (0x11, b"I" * 16)]


def items(entries: list[tuple[int, bytes]]) -> bytes:
    return b"".join(dgi.to_bytes(2) + len(value).to_bytes(4) + value for dgi, value in entries)


def block(entries: list[tuple[int, bytes]]) -> bytes:
    return b"".join(bytes((tag,)) + len(value).to_bytes(2) + value for tag, value in entries)


def further(dgi: int, value: bytes) -> tuple[int, bytes]:
    return 0x20, dgi.to_bytes(2) + value


def parcel(plain: bytes = items(PLAIN), secret: bytes = block(BLOCK), **changes: Any) -> Unpacked:
    with seat() as here:
        here.items.tail(CAPACITY)[: len(plain)] = plain
        here.secrets.tail(CAPACITY)[: len(secret)] = secret
        sizes = {"items_size": len(plain), "secrets_size": len(secret)}
        return unpack("it", slip(**{**sizes, **changes}), here, HeapVault())


def slip(**changes: Any) -> Slip:
    fields: dict[str, Any] = {
        "lease_id": "one",
        "fesn": "1KM0001E",
        "spid": SPID,
        "items_capacity": CAPACITY,
        "items_size": 0,
        "secrets_capacity": CAPACITY,
        "secrets_size": 0,
        "ttl_ms": 0,
        "flags": 0,
        "kvn": 255,
        "kcv": bytes(range(9)),
    }
    return Slip(**{**fields, **changes})


def shown(item: Item) -> tuple[int, bytes, bool]:
    value = item.value
    return item.dgi, bytes(value.expose() if isinstance(value, Secret) else value), item.under_dek


def test_items_go_to_the_card_in_the_order_that_the_applet_wants() -> None:
    extra = [(0xA010, b"more")]
    secret = block([*BLOCK, further(0xB001, b"one"), further(0xB002, b"two")])
    got = parcel(items(PLAIN[::-1] + extra), secret)
    assert [shown(item) for item in got.items] == [
        (0xA003, b"S" * 32, True),
        *((dgi, value, False) for dgi, value in PLAIN[::-1] + extra),
        (0xA006, b"I" * 16, False),
        (0xB001, b"one", False),
        (0xB002, b"two", False),
    ]
    hidden = [item.dgi for item in got.items if isinstance(item.value, Secret)]
    assert hidden == [0xA003, 0xA006, 0xB001, 0xB002]


def test_keys_come_with_their_version_and_check_values() -> None:
    keys = parcel(kvn=1).keys
    assert keys.kvn == 1
    assert [keys.enc, keys.mac, keys.dek] == [Secret(value) for _, value in KEYS]
    assert msgspec.structs.astuple(keys.kcv) == (b"\0\1\2", b"\3\4\5", b"\6\7\x08")


@pytest.mark.parametrize("flags", [0, 1, 2, 3])
def test_whether_the_issuer_was_checked_is_one_flag_of_many(flags: int) -> None:
    assert parcel(flags=flags).issuer_checked is bool(flags & 1)


def test_every_secret_is_named_so_that_it_can_be_wiped() -> None:
    got = parcel(secret=block([*BLOCK, further(0xB001, b"one")]))
    keys = [got.keys.enc, got.keys.mac, got.keys.dek]
    hidden = [item.value for item in got.items if isinstance(item.value, Secret)]
    assert list(got.secrets) == [*keys, *hidden]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"fesn": "1KM0001"}, "FESN that is not 8 letters and digits"),
        ({"fesn": "1KM0001\u0665"}, "FESN that is not 8 letters and digits"),
        ({"spid": SPID[1:]}, "SPID that is not 40 hex digits"),
        ({"spid": SPID[1:] + "G"}, "SPID that is not 40 hex digits"),
        ({"spid": SPID[::-1]}, "another SPID in DGI A001"),
        ({"lease_id": ""}, "without a lease id"),
        ({"lease_id": "a\nb"}, "without a lease id"),
        ({"kvn": 256}, "key version 256"),
        ({"kcv": bytes(8)}, "three key check values"),
        ({"items_size": CAPACITY + 1}, "more than there was room for"),
        ({"items_size": -1}, "more than there was room for"),
        ({"secrets_size": 2**32 - 1}, "more than there was room for"),
        ({"items_capacity": ITEMS_SIZE + 1}, "more than there was room for"),
        ({"secrets_capacity": 2**31}, "more than there was room for"),
    ],
)
def test_a_slip_that_cannot_be_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ProviderError, match=sentence) as caught:
        parcel(**changes)
    assert caught.value.code is None


@pytest.mark.parametrize(
    ("plain", "sentence"),
    [
        (items(PLAIN)[:-1], "number 4 is cut short"),
        (items(PLAIN) + b"\xa0", "number 5 is cut short"),
        (items(PLAIN) + b"\xa0\x10\xff\xff\xff\xff", "number 5 is cut short"),
        (items([*PLAIN, (0xA002, b"")]), "DGI A002 twice"),
        (items([*PLAIN, (0xA003, b"s")]), "DGI A003 in the clear"),
        (items([*PLAIN, (0xA006, b"i")]), "DGI A006 in the clear"),
        (items(PLAIN[:-1]), "no DGI A005, which a fob needs"),
        (b"", "no DGI A001, which a fob needs"),
    ],
)
def test_items_that_are_not_a_fobs_are_refused(plain: bytes, sentence: str) -> None:
    with pytest.raises(ProviderError, match=sentence):
        parcel(plain)


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        (block(BLOCK)[:-1], "part 5 is cut short"),
        (block(BLOCK) + b"\x20", "part 6 is cut short"),
        (block([*BLOCK, (0x12, b"x")]), "unknown tag 12"),
        (block([*BLOCK, (0x01, b"E" * 16)]), "tag 01 2 times"),
        (block(BLOCK[1:]), "tag 01 0 times"),
        (block(BLOCK[:-1]), "tag 11 0 times"),
        (block([*KEYS, (0x10, b"S" * 31), (0x11, b"I" * 16)]), "tag 10 has 31 bytes"),
        (block([(0x01, b"E" * 17), *BLOCK[1:]]), "tag 01 has 17 bytes"),
        (block([*BLOCK, (0x20, b"\xb0\x01")]), "without a DGI or without a value"),
        (block([*BLOCK, further(0xA006, b"i")]), "DGI A006 twice"),
        (block([*BLOCK, further(0xA002, b"c")]), "DGI A002 twice"),
        (b"", "tag 01 0 times"),
    ],
)
def test_a_key_block_that_is_not_one_is_refused(secret: bytes, sentence: str) -> None:
    with pytest.raises(ProviderError, match=sentence) as caught:
        parcel(secret=secret)
    for _, value in BLOCK:
        assert value.decode() not in str(caught.value)


@given(
    plain=st.binary(max_size=60) | st.binary(max_size=9).map(lambda tail: items(PLAIN) + tail),
    secret=st.binary(max_size=60) | st.binary(max_size=9).map(lambda tail: block(BLOCK) + tail),
)
def test_any_bytes_make_a_parcel_or_a_refusal(plain: bytes, secret: bytes) -> None:
    try:
        got = parcel(plain, secret)
    except ProviderError:
        return
    assert sum(len(item.value) for item in got.items) <= len(plain) + len(secret)
