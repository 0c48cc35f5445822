"""Data groupings, and the STORE DATA commands that carry them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.contracts.crypto import Aes
from kfasync.core import dgi
from kfasync.core.apdu import SHORT_DATA_MAX
from kfasync.core.scp03 import key_check_value
from kfasync.errors import SourceError
from kfasync.model import Item, StoreDataPlan
from kfasync.secret import Secret
from tests.core.hand import ITEMS
from tests.paths import each_aes
from tests.vectors import name, verified

SEED = StoreDataPlan(block_size=245, p1=0x00, last_p1=0x80)


def marked(padded: bytes) -> bytes:
    """In the place of an encryption: whole blocks in, as many bytes out."""
    assert len(padded) % 16 == 0
    return bytes(byte ^ 0xFF for byte in padded)


def stream(items: tuple[Item, ...], plan: StoreDataPlan) -> bytes:
    return b"".join(command.data for command in dgi.store_data(items, plan, marked))


@pytest.mark.parametrize(
    ("size", "length"),
    [(0, "00"), (1, "01"), (254, "FE"), (255, "FF00FF"), (256, "FF0100"), (65535, "FFFFFF")],
)
def test_the_length_takes_one_byte_below_255_and_three_above(size: int, length: str) -> None:
    assert dgi.encode(0xA003, bytes(size)) == bytes.fromhex("A003" + length) + bytes(size)


def test_a_value_above_65535_bytes_is_refused_by_the_name_of_its_dgi() -> None:
    with pytest.raises(SourceError, match="DGI A002 has 65536 bytes; 65535 is the most"):
        dgi.encode(0xA002, bytes(65536))


@pytest.mark.parametrize(("tag", "text"), [(-1, "DGI -1"), (0x10000, "DGI 10000")])
def test_a_tag_that_is_not_two_bytes_is_refused_by_name(tag: int, text: str) -> None:
    with pytest.raises(SourceError, match=f"{text} is not two bytes long"):
        dgi.encode(tag, b"")


@given(st.binary(max_size=100))
def test_padding_is_80_and_zeros_to_a_whole_block_and_never_nothing(value: bytes) -> None:
    padded = dgi.pad(value)
    assert len(padded) % 16 == 0
    assert 1 <= len(padded) - len(value) <= 16
    assert padded.rstrip(b"\x00") == value + b"\x80"


# ------------------------------------------------------------------------------- STORE DATA


def test_the_fixture_fob_takes_1709_bytes_in_ten_blocks_and_an_empty_one() -> None:
    commands = dgi.store_data(ITEMS, SEED, marked)
    assert sum(len(command.data) for command in commands) == 1709
    assert len(commands) == dgi.block_count(ITEMS, SEED) == 11
    assert commands[-1].encode() == bytes.fromhex("80E2800A")


def test_the_groupings_go_out_in_the_order_they_were_given() -> None:
    heads = [command.data[:2].hex().upper() for command in dgi.store_data(ITEMS, SEED, marked)]
    order = ["A003", "A001", "A002", "A004", "A005", "A006"]
    assert [head for head in heads if head in order] == order


def test_p2_counts_from_00_and_only_the_last_command_has_the_last_p1() -> None:
    plan = StoreDataPlan(block_size=100, p1=0x08, last_p1=0x88)
    commands = dgi.store_data(ITEMS, plan, marked)
    assert [command.p2 for command in commands] == list(range(len(commands)))
    assert [command.p1 for command in commands] == [0x08] * (len(commands) - 1) + [0x88]
    assert {(command.cla, command.ins, command.le) for command in commands} == {(0x80, 0xE2, None)}


def test_a_value_under_the_dek_is_padded_first_and_encrypted_before_it_is_framed() -> None:
    item = Item(0xA003, Secret(b"\x11" * 32), under_dek=True)
    framed = bytes.fromhex("A00330") + marked(b"\x11" * 32 + b"\x80" + bytes(15))
    assert stream((item,), SEED) == framed


@given(
    st.lists(
        st.builds(
            lambda value, secret, under_dek: (Secret(value) if secret else value, under_dek),
            st.binary(max_size=600),
            st.booleans(),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(17, SHORT_DATA_MAX),
)
def test_the_pieces_put_together_again_are_the_stream(
    values: list[tuple[bytes | Secret, bool]], block_size: int
) -> None:
    items = tuple(
        Item(0xA000 + n, value, under_dek=under) for n, (value, under) in enumerate(values)
    )
    plan = StoreDataPlan(block_size=block_size, p1=0x00, last_p1=0x80)
    expected = b""
    for item in items:
        value = bytes(item.value.expose()) if isinstance(item.value, Secret) else item.value
        expected += dgi.encode(item.dgi, marked(dgi.pad(value)) if item.under_dek else value)
    commands = dgi.store_data(items, plan, marked)
    *blocks, last = [command.data for command in commands]
    assert b"".join(blocks) == expected
    assert last == b""
    assert all(0 < len(block) <= block_size for block in blocks)
    assert dgi.block_count(items, plan) == len(commands)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        pytest.param((), "list of DGIs is empty", id="nothing"),
        pytest.param((Item(1, b""), Item(2, b""), Item(1, b"")), "DGI 0001 is given twice"),
        pytest.param((Item(0x1A003, b""),), "DGI 1A003 is not two bytes"),
        pytest.param((Item(0xA002, bytes(65536)),), "DGI A002 has 65536 bytes"),
        pytest.param((Item(0xA003, bytes(65530), under_dek=True),), "DGI A003 has 65536 bytes"),
    ],
)
def test_content_that_cannot_be_written_is_refused(items: tuple[Item, ...], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        dgi.block_count(items, SEED)
    with pytest.raises(SourceError, match=message):
        dgi.store_data(items, SEED, marked)


def test_256_commands_are_the_most_because_p2_must_not_wrap() -> None:
    plan = StoreDataPlan(block_size=16, p1=0x00, last_p1=0x80)
    most = 255 * 16 - len("A002FF....") // 2
    assert dgi.store_data([Item(0xA002, bytes(most))], plan, marked)[-1].p2 == 0xFF
    with pytest.raises(SourceError, match="takes 257 STORE DATA commands, 256 is the most"):
        dgi.store_data([Item(0xA002, bytes(most + 1))], plan, marked)


# --------------------------------------------------------------------------- published streams


def groupings(stream: bytes) -> list[tuple[int, bytes]]:
    """Read a stream back; these have short lengths only."""
    found = []
    while stream:
        size = stream[2]
        found.append((int.from_bytes(stream[:2]), stream[3 : 3 + size]))
        stream = stream[3 + size :]
    return found


@each_aes
@pytest.mark.parametrize("vector", verified("store_data_keys"), ids=name)
def test_a_published_stream_of_keys_under_a_dek(aes: Aes, vector: dict[str, Any]) -> None:
    published = bytes.fromhex(vector["dgi_stream"])
    keys = [Secret.from_hex(digits) for digits in vector["keys"]]
    (tag, template), *found = groupings(published)
    dek = aes.key(Secret.from_hex(vector["dek"]))
    # Whole blocks need no padding here, other than a private key under its DEK.
    enciphered = [dek.encrypt_cbc(bytes(16), bytes(key.expose())) for key in keys]
    assert found == [(0x8113, cipher) for cipher in enciphered]
    for key in keys:
        # Tag 84 in the template of each key (GP Card Specification 2.3.1, table 11-80).
        assert b"\x84\x03" + key_check_value(aes.key(key)) in template
    framed = [dgi.encode(0x8113, cipher) for cipher in enciphered]
    assert dgi.encode(tag, template) + b"".join(framed) == published
