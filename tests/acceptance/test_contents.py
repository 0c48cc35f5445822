from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.acceptance.contents import CHECKS, parts
from kfasync.acceptance.subject import Finding
from tests.acceptance.examined import broken, failed, fresh, job

FAULTS = {
    "KCV": "content-well-formed",
}


@pytest.mark.parametrize(("fault", "check"), FAULTS.items())
def test_a_fault_fails_the_check_made_for_it_and_no_other(
    fault: str, check: str, tmp_path: Path
) -> None:
    assert set(failed(job(broken(fault), fresh(tmp_path)))) == {check}


def test_a_further_fault_of_the_same_kind_is_found(tmp_path: Path) -> None:
    found = failed(job(broken("OTHERS_SCALAR"), fresh(tmp_path), "content-well-formed"))
    assert "not that of the device certificate" in found["content-well-formed"]


def test_every_check_has_a_fault_that_fails_it() -> None:
    assert set(FAULTS.values()) == {check.name for check in CHECKS}


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40))))
def test_what_was_put_together_is_taken_apart(values: list[tuple[int, bytes]]) -> None:
    block = b"".join(bytes((tag,)) + len(v).to_bytes(2, "big") + v for tag, v in values)
    found = [(part.tag, block[part.start : part.end]) for part in parts(block, 1, 2)]
    assert found == values


@given(st.binary(max_size=60))
def test_any_bytes_are_parts_or_a_finding(block: bytes) -> None:
    try:
        found = list(parts(block, 2, 4))
    except Finding:
        return
    assert sum(6 + part.end - part.start for part in found) == len(block)
