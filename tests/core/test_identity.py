import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.core.identity import from_cplc, from_diversification_data, from_uid
from kfasync.errors import AnswerFormatError, IdentityError

CPLC = bytes(range(42))


@pytest.mark.parametrize("uid", ["04112233", "e7112233", "04112233445566", "04112233445566778899"])
def test_a_uid_of_each_size_is_an_identity(uid: str) -> None:
    assert from_uid(bytes.fromhex(uid)).hex() == uid


@pytest.mark.parametrize(
    ("uid", "why"),
    [
        ("08112233", "random UID"),
        ("1F112233", "UID of 4 bytes that other fobs may have too"),
        ("0F112233", "UID of 4 bytes that other fobs may have too"),
        ("18112233", "begins with 18, which is reserved"),
        ("88112233", "begins with 88, which is reserved"),
        ("3E112233", "begins with 3E, which is reserved"),
        ("", "UID of 0 bytes"),
        ("0411223344", "UID of 5 bytes"),
        ("00000000", "blank"),
        ("FFFFFFFFFFFFFF", "blank"),
    ],
)
def test_what_is_not_the_fob_s_own_is_refused(uid: str, why: str) -> None:
    with pytest.raises(IdentityError, match=why):
        from_uid(bytes.fromhex(uid))


@pytest.mark.parametrize("first", ["08", "0F"])
def test_a_longer_uid_begins_as_it_likes(first: str) -> None:
    assert from_uid(bytes.fromhex(f"{first}112233445566"))


def test_fabrication_date_serial_number_and_batch_are_what_the_cplc_is_read_for() -> None:
    assert from_cplc(bytes.fromhex("9F7F2A") + CPLC) == bytes(range(10, 18))


@given(st.binary(max_size=50).filter(lambda data: not data.startswith(b"\x9f\x7f\x2a")))
def test_anything_else_is_no_cplc(data: bytes) -> None:
    with pytest.raises(AnswerFormatError):
        from_cplc(data)


def test_the_first_ten_bytes_of_initialize_update_are_the_diversification_data() -> None:
    assert from_diversification_data(bytes(range(32))) == bytes(range(10))
    with pytest.raises(IdentityError, match="blank"):
        from_diversification_data(bytes(10) + b"\x01" * 22)
