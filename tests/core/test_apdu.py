"""Command and response APDUs, on the wire and back."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.core.apdu import (
    EXTENDED_DATA_MAX,
    EXTENDED_LE_MAX,
    SHORT_DATA_MAX,
    SHORT_LE_MAX,
    CommandApdu,
    ResponseApdu,
)
from kfasync.errors import AnswerFormatError

HEADER = bytes.fromhex("80E20001")

byte = st.integers(0, 0xFF)
commands = st.builds(
    CommandApdu,
    byte,
    byte,
    byte,
    byte,
    data=st.binary(max_size=300),
    le=st.none() | st.integers(1, EXTENDED_LE_MAX),
)


def command(data: bytes = b"", le: int | None = None, *, extended: bool = False) -> CommandApdu:
    cla, ins, p1, p2 = HEADER
    return CommandApdu(cla, ins, p1, p2, data, le, extended)


@pytest.mark.parametrize(
    ("apdu", "body"),
    [
        pytest.param(command(), "", id="1"),
        pytest.param(command(le=1), "01", id="2S"),
        pytest.param(command(le=SHORT_LE_MAX), "00", id="2S-most"),
        pytest.param(command(b"\xaa\xbb"), "02AABB", id="3S"),
        pytest.param(command(bytes(SHORT_DATA_MAX)), "FF" + "00" * 255, id="3S-most"),
        pytest.param(command(b"\xaa", 5), "01AA05", id="4S"),
        pytest.param(command(b"\xaa", SHORT_LE_MAX), "01AA00", id="4S-most"),
        pytest.param(command(le=257), "000101", id="2E"),
        pytest.param(command(le=EXTENDED_LE_MAX), "000000", id="2E-most"),
        pytest.param(command(bytes(256)), "000100" + "00" * 256, id="3E"),
        pytest.param(command(b"\xaa", 257), "000001AA0101", id="4E"),
        pytest.param(command(b"\xaa", EXTENDED_LE_MAX), "000001AA0000", id="4E-most"),
        pytest.param(command(le=1, extended=True), "000001", id="2E-asked"),
        pytest.param(command(b"\xaa", extended=True), "000001AA", id="3E-asked"),
    ],
)
def test_every_case_of_iso_7816_4_goes_over_the_wire_and_back(apdu: CommandApdu, body: str) -> None:
    raw = HEADER + bytes.fromhex(body)
    assert apdu.encode() == raw
    again = CommandApdu.decode(raw)
    assert again.encode() == raw
    assert (again.data, again.le) == (apdu.data, apdu.le)
    assert again.is_extended is apdu.is_extended


@given(commands)
def test_what_is_encoded_is_decoded_to_the_same(apdu: CommandApdu) -> None:
    again = CommandApdu.decode(apdu.encode())
    assert (again.header, again.data, again.le) == (apdu.header, apdu.data, apdu.le)
    assert again.encode() == apdu.encode()


@given(st.binary(max_size=12) | st.binary(min_size=255, max_size=270))
def test_any_bytes_are_a_command_or_a_value_error(raw: bytes) -> None:
    try:
        apdu = CommandApdu.decode(raw)
    except ValueError:
        return
    assert apdu.encode() == raw


@pytest.mark.parametrize(
    "body",
    ["02AA", "02AABB0000", "0000", "0001", "00000000", "000002AA", "000001AA00", "000001AA000000"],
)
def test_lengths_that_do_not_add_up_are_refused(body: str) -> None:
    with pytest.raises(ValueError, match="Lc says"):
        CommandApdu.decode(HEADER + bytes.fromhex(body))


@pytest.mark.parametrize("size", range(4))
def test_a_command_without_a_whole_header_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"a command of {size} bytes"):
        CommandApdu.decode(HEADER[:size])


@pytest.mark.parametrize("field", ["cla", "ins", "p1", "p2"])
@pytest.mark.parametrize("value", [-1, 256])
def test_a_header_byte_out_of_range_is_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match="one byte each"):
        msgspec.structs.replace(command(), **{field: value})


def test_a_data_field_above_the_extended_maximum_is_refused() -> None:
    assert len(command(bytes(EXTENDED_DATA_MAX)).encode()) == 4 + 3 + EXTENDED_DATA_MAX
    with pytest.raises(ValueError, match="65536 bytes is above 65535"):
        command(bytes(EXTENDED_DATA_MAX + 1))


@pytest.mark.parametrize("le", [-1, 0, EXTENDED_LE_MAX + 1])
def test_an_le_out_of_range_is_refused(le: int) -> None:
    with pytest.raises(ValueError, match=f"Le {le} is not"):
        command(le=le)


def test_a_length_field_keeps_the_form_of_its_command() -> None:
    assert command().lc(8) == b"\x08"
    assert command().lc(256) == b"\x00\x01\x00"
    assert command(extended=True).lc(8) == b"\x00\x00\x08"


# ---------------------------------------------------------------------------------- answers


@given(st.binary(min_size=2, max_size=300))
def test_an_answer_goes_over_the_wire_and_back(raw: bytes) -> None:
    response = ResponseApdu.decode(raw)
    assert response.encode() == raw
    assert response.data == raw[:-2]
    assert bytes((response.sw1, response.sw2)) == raw[-2:]
    assert response.sw == response.sw1 << 8 | response.sw2


@pytest.mark.parametrize("raw", [b"", b"\x90"])
def test_an_answer_without_a_status_word_is_refused(raw: bytes) -> None:
    with pytest.raises(AnswerFormatError, match=f"{len(raw)} bytes has no status word"):
        ResponseApdu.decode(raw)
