import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.sim.command import Command, Refusal, Sw

CASES = [
    # ISO/IEC 7816-4, 5.1, figure 3 and table 2
    ("80F22002", b"", None),
    ("80F2200200", b"", 256),
    ("80F220020A", b"", 10),
    ("80F2200201AA", b"\xaa", None),
    ("80F2200201AA00", b"\xaa", 256),
    ("80F2200201AA05", b"\xaa", 5),
    ("80F22002000000", b"", 65536),
    ("80F22002000100", b"", 256),
    ("80F22002000001AA", b"\xaa", None),
    ("80F22002000001AA0000", b"\xaa", 65536),
    ("80F22002000001AA0102", b"\xaa", 258),
]


@pytest.mark.parametrize(("raw", "data", "le"), CASES)
def test_every_case_is_read(raw: str, data: bytes, le: int | None) -> None:
    command = Command.parse(bytes.fromhex(raw))
    assert command.header == bytes.fromhex("80F22002")
    assert (command.data, command.le) == (data, le)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "80F220",
        "80F2200202AA",
        "80F2200201AA0000",
        "80F220020000",
        "80F2200200000000",
        "80F22002000002AA",
        "80F22002000001AA00",
        "80F22002000001AA000000",
    ],
)
def test_lengths_that_disagree_are_refused(raw: str) -> None:
    with pytest.raises(Refusal) as refusal:
        Command.parse(bytes.fromhex(raw))
    assert refusal.value.sw == Sw.WRONG_LENGTH


@given(
    header=st.binary(min_size=4, max_size=4),
    data=st.binary(min_size=1, max_size=600),
    le=st.none() | st.integers(1, 65536),
)
def test_an_extended_command_is_read_as_it_was_written(
    header: bytes, data: bytes, le: int | None
) -> None:
    cla, ins, p1, p2 = header
    lc_field = b"\0" + len(data).to_bytes(2)
    le_field = b"" if le is None else (le % 65536).to_bytes(2)
    command = Command.parse(header + lc_field + data + le_field)
    assert command == Command(cla, ins, p1, p2, lc_field=lc_field, data=data, le=le)


@given(raw=st.binary())
def test_any_bytes_are_a_command_or_a_wrong_length(raw: bytes) -> None:
    try:
        command = Command.parse(raw)
    except Refusal as refusal:
        read, status = b"", refusal.sw
    else:
        read, status = command.header + command.lc_field + command.data, Sw.OK
    assert status in (Sw.OK, Sw.WRONG_LENGTH)
    assert raw.startswith(read)
