"""Secret: whatever is done to it, it shows its length and nothing else."""

import copy
import json
import logging
import pickle
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.model import Item, KeyCheckValues, KeySet
from kfasync.secret import Secret

DATA = bytes.fromhex("8B4B8D7EC45DFA503A35F6DF8F6BBDD9")

# Long enough not to turn up in "Secret(16 bytes)" by chance.
keys = st.binary(min_size=12, max_size=32)

SHOWN: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "format": lambda secret: f"{secret}",
    "format-repr": lambda secret: f"{secret!r:>40}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031  # as loggers do
    "in a tuple": lambda secret: str((secret,)),
    "in an item": lambda secret: repr(Item(0xA003, secret, under_dek=True)),
    "in a key set": lambda secret: repr(
        KeySet(255, secret, secret, secret, KeyCheckValues(b"", b"", b""))
    ),
}


def require_hidden(data: bytes, shown: str) -> None:
    assert data.hex() not in shown.lower().replace(" ", "").replace("\\x", "")
    assert repr(data)[2:-1] not in shown
    assert data.decode("latin-1") not in shown
    assert str(list(data)) not in shown


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN.keys())
@given(data=keys)
def test_nothing_that_is_shown_holds_the_bytes(show: Callable[[Secret], str], data: bytes) -> None:
    shown = show(Secret(data))
    require_hidden(data, shown)
    assert f"Secret({len(data)} bytes)" in shown


def test_a_log_line_shows_the_length(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger(__name__).warning("loaded %s", Secret(DATA))
    assert "loaded Secret(16 bytes)" in caplog.text


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(pickle.dumps, id="pickle"),
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
        pytest.param(hash, id="hash"),
        pytest.param(bytes, id="bytes"),
        pytest.param(json.dumps, id="json"),
        pytest.param(msgspec.json.encode, id="msgspec"),
        pytest.param(list, id="iteration"),
        pytest.param(vars, id="vars"),
        pytest.param(lambda secret: b"" + secret, id="concatenation"),
        pytest.param(lambda secret: format(secret, "x"), id="format as hex"),
    ],
)
def test_ways_to_a_second_copy_are_refused_without_showing_anything(
    attempt: Callable[[Secret], object],
) -> None:
    with pytest.raises(TypeError) as caught:
        attempt(Secret(DATA))
    require_hidden(DATA, str(caught.value))


def test_expose_is_a_view_that_cannot_be_written_to() -> None:
    secret = Secret(DATA)
    view = secret.expose()
    assert view.readonly
    assert bytes(view) == DATA


def test_wiping_turns_every_view_to_zeros_and_may_be_done_twice() -> None:
    secret = Secret(DATA)
    view = secret.expose()
    secret.wipe()
    secret.wipe()
    assert bytes(view) == bytes(secret.expose()) == bytes(16)
    assert len(secret) == 16


def test_nothing_can_be_written_into_a_secret_that_was_wiped() -> None:
    secret = Secret(DATA)
    secret.wipe()
    with pytest.raises(TypeError):
        secret.writable()[:] = DATA


def test_a_secret_that_dies_is_wiped() -> None:
    secret = Secret(DATA)
    view = secret.expose()
    del secret
    assert bytes(view) == bytes(16)


def test_a_secret_has_its_own_copy() -> None:
    given_data = bytearray(DATA)
    secret = Secret(given_data)
    given_data[:] = bytes(16)
    assert bytes(secret.expose()) == DATA


@given(st.binary(max_size=32), st.binary(max_size=32))
def test_equality_is_that_of_the_bytes(one: bytes, other: bytes) -> None:
    assert (Secret(one) == Secret(other)) is (one == other)
    assert Secret(one) == Secret(memoryview(one))


def test_a_secret_is_not_equal_to_bare_bytes() -> None:
    assert Secret(DATA) != DATA
    assert Secret(DATA) != DATA


@pytest.mark.parametrize("text", [DATA.hex(), DATA.hex().upper(), "8b4b 8d7e" + DATA.hex()[8:]])
def test_hex_digits_are_read(text: str) -> None:
    assert Secret.from_hex(text) == Secret(DATA)


@pytest.mark.parametrize("text", [DATA.hex() + "x", DATA.hex()[:-1], "0x" + DATA.hex()])
def test_wrong_hex_digits_are_counted_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{len(text)} characters that are not") as caught:
        Secret.from_hex(text)
    require_hidden(DATA, str(caught.value))
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("wrong", ["8b4b8d7e", None, object()])
def test_what_is_not_bytes_is_refused(wrong: object) -> None:
    with pytest.raises(TypeError):
        Secret(wrong)  # type: ignore[arg-type]  # on purpose


# ------------------------------------------------------------------ memory that others made


def test_memory_of_others_is_used_in_place_and_wiped() -> None:
    memory = bytearray(DATA)
    secret = Secret.over(memoryview(memory))
    assert secret == Secret(DATA)
    memory[0] ^= 0xFF
    assert secret != Secret(DATA)
    require_hidden(DATA, repr(secret))
    del secret
    assert memory == bytes(16)


@pytest.mark.parametrize(
    "memory",
    [
        pytest.param(memoryview(DATA), id="read-only"),
        pytest.param(memoryview(bytearray(DATA)).cast("H"), id="of other items"),
        pytest.param(memoryview(bytearray(DATA)).cast("B", (4, 4)), id="of two dimensions"),
    ],
)
def test_memory_that_cannot_hold_a_secret_is_refused(memory: memoryview) -> None:
    with pytest.raises(ValueError, match="writable bytes"):
        Secret.over(memory)


def test_what_is_written_is_what_is_exposed() -> None:
    secret = Secret(bytes(16))
    secret.writable()[:] = DATA
    assert secret == Secret(DATA)
