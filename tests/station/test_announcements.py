"""UIDs as text, however it is cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.station.announcements import LineError, Lines, uid_of

UID = bytes.fromhex("04A1B2C3D4E5F6")


@pytest.mark.parametrize(
    "line",
    [
        b"04A1B2C3D4E5F6",
        b"04a1b2c3d4e5f6\r",
        b"  04:A1:B2:C3:D4:E5:F6  # tray 7",
        b"04 A1 B2-C3 D4-E5\tF6",
        b"\xef\xbb\xbf04A1B2C3D4E5F6",
    ],
)
def test_a_uid_is_hex_digits_with_anything_usual_between(line: bytes) -> None:
    assert uid_of(line) == UID


@pytest.mark.parametrize("line", [b"", b"   \r", b"# 04A1B2C3D4E5F6"])
def test_an_empty_line_says_nothing(line: bytes) -> None:
    assert uid_of(line) == b""


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"04A1B2", "it has 3 bytes, and a UID 4, 7, 8 or 10"),
        (b"04A1B2C3D4E5F", "not hex digits"),
        (b"UID;NAME", "not hex digits"),
        (b"\xff\xfe0\x004\x00", "not hex digits"),
    ],
)
def test_what_is_none_is_refused_and_not_quoted(line: bytes, why: str) -> None:
    with pytest.raises(LineError, match=why) as refused:
        uid_of(line)
    assert line.decode("latin-1") not in str(refused.value)


def test_lines_are_numbered_and_the_last_needs_no_end() -> None:
    lines = Lines()
    (two, uid), (three, error) = lines.feed(b"# a tray\n04A1B2C3D4E5F6\nno\n04A1B2")
    assert (two, uid, three) == (2, UID, 3)
    assert isinstance(error, LineError)
    assert list(lines.feed(b"C3D4E5F6")) == []
    assert list(lines.feed(b"")) == [(4, UID)]


def test_a_line_without_end_does_not_grow_for_ever() -> None:
    ((number, error),) = Lines().feed(b"0" * 100_000)
    assert number == 1
    assert isinstance(error, LineError)


@given(st.lists(st.binary(min_size=7, max_size=7), max_size=8), st.integers(1, 40))
def test_pieces_of_any_size_give_the_same(uids: list[bytes], size: int) -> None:
    text = "".join(f"{uid.hex()}\n" for uid in uids).encode()
    lines = Lines()
    found: list[tuple[int, bytes | LineError]] = []
    for at in range(0, len(text) + size, size):
        found += lines.feed(text[at : at + size])
    assert [uid for _, uid in found] == uids
