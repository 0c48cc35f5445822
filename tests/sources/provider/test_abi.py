"""The words of the interface: every result is an error that says what to do next."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.errors import ProviderError, SourceUnavailableError
from kfasync.sources.provider.abi import TEXT_MAX, Result, breach, decode, printable, refusal
from tests.native_build import NATIVE

HEADER = (NATIVE / "include" / "kf_provider.h").read_text("utf-8")


def test_every_result_of_the_header_has_its_name_and_its_sentence() -> None:
    defined = re.findall(r"#define KFP_E_(\w+) \((-\d+)\)", HEADER)
    assert {name: int(value) for name, value in defined} == {
        result.name: result.value for result in Result if result < 0
    }
    sentences = [str(refusal("it", result)) for result in Result if result not in (0, -10)]
    assert len(set(sentences)) == len(sentences)
    assert not any("does not know" in sentence for sentence in sentences)


@given(st.integers(-(2**31), -1))
def test_a_result_is_retryable_where_the_header_says_so(result: int) -> None:
    error = refusal("it", result)
    later = -299 <= result <= -200 or -2999 <= result <= -2000
    assert isinstance(error, SourceUnavailableError if later else ProviderError)
    assert error.retryable is later
    assert str(result) in str(error)
    if isinstance(error, ProviderError):
        assert error.code == result


def test_a_vendors_own_result_is_told_from_one_that_nobody_defined() -> None:
    assert "its vendor's" in str(refusal("it", -1001))
    assert "does not know" in str(refusal("it", -42))


def test_the_librarys_own_words_are_quoted() -> None:
    assert refusal("it", -100).pool_empty
    assert not refusal("it", -101).pool_empty
    assert str(refusal("it", -100, "shelf 3 is bare")).endswith('; it says: "shelf 3 is bare"')


def test_a_breach_has_no_result() -> None:
    error = breach("it", "gave nothing")
    assert (error.code, error.retryable) == (None, False)


@given(st.binary(max_size=1000))
def test_whatever_a_library_says_is_one_line_of_a_limited_length(data: bytes) -> None:
    line = printable(data)
    assert len(line) <= TEXT_MAX
    assert line.isprintable()


@pytest.mark.parametrize("text", [b"", b"\xe9t\xe9", b"two\nlines"])
def test_a_name_is_one_that_can_be_printed(text: bytes) -> None:
    with pytest.raises(ProviderError, match="provider it gave a name that"):
        decode("it", text, "a name")
    assert decode("it", "Größe 1".encode(), "a name") == "Größe 1"
