import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.acceptance.secrecy import CHECKS, is_told
from tests.acceptance.examined import broken, failed, fresh, job

FAULTS = {
    "SECRET_ELSEWHERE": "secrets-only-in-their-buffer",
    "KEEPS_SCALAR": "secrets-released",
}
FURTHER = {
    "KEEPS_KEYS": ("secrets-released", "after close, Key-ENC is left"),
    "TELLS_A_SECRET": ("secrets-only-in-their-buffer", "the IRK stands in last_error after"),
}
WRITINGS: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    lambda data: data.hex().encode(),
    lambda data: data.hex(" ", 2).upper().encode(),
    base64.b64encode,
)


@pytest.mark.parametrize(("fault", "check"), FAULTS.items())
def test_a_fault_fails_the_check_made_for_it_and_no_other(
    fault: str, check: str, tmp_path: Path
) -> None:
    assert set(failed(job(broken(fault), fresh(tmp_path)))) == {check}


@pytest.mark.parametrize(("fault", "check", "sentence"), [(f, *e) for f, e in FURTHER.items()])
def test_a_further_fault_of_the_same_kind_is_found(
    fault: str, check: str, sentence: str, tmp_path: Path
) -> None:
    assert sentence in failed(job(broken(fault), fresh(tmp_path), check))[check]


@given(st.binary(min_size=16, max_size=32), st.integers(0, 4), st.sampled_from(WRITINGS))
def test_a_secret_is_found_in_a_sentence_however_it_is_written(
    secret: bytes, before: int, written: Callable[[bytes], bytes]
) -> None:
    said = b"the key is " + written(b"\7" * before + secret[:14] + b"\7" * before)
    assert is_told(secret, said)


@given(st.binary(min_size=16, max_size=32))
def test_a_sentence_without_a_secret_is_not_blamed(secret: bytes) -> None:
    assert not is_told(secret, b"there is no such lease, or it has ended in another way")


def test_every_check_has_a_fault_that_fails_it() -> None:
    assert set(FAULTS.values()) == {check.name for check in CHECKS}
