from pathlib import Path

import pytest

from kfasync.acceptance.buffers import CHECKS
from tests.acceptance.examined import broken, failed, fresh, job

FAULTS = {
    "SIZING_CONSUMES": "sizing-consumes-nothing",
    "PARTIAL_WRITE": "buffer-one-too-small",
    "EXACT_IS_TOO_SMALL": "buffer-exact",
    "OVERFLOW": "buffer-at-guard-page",
    "WIPES_LATE": "buffers-left-alone",
}
FURTHER = {
    "UNDERFLOW": "buffer-at-guard-page",
    "WRITES_FROM_A_THREAD": "buffers-left-alone",
}


@pytest.mark.parametrize(("fault", "check"), FAULTS.items())
def test_a_fault_fails_the_check_made_for_it_and_no_other(
    fault: str, check: str, tmp_path: Path
) -> None:
    assert set(failed(job(broken(fault), fresh(tmp_path)))) == {check}


@pytest.mark.parametrize(("fault", "check"), FURTHER.items())
def test_a_further_fault_of_the_same_kind_is_found(fault: str, check: str, tmp_path: Path) -> None:
    found = failed(job(broken(fault), fresh(tmp_path), check))
    assert found[check] == "the process is killed by SIGSEGV"


def test_every_check_has_a_fault_that_fails_it() -> None:
    assert set(FAULTS.values()) == {check.name for check in CHECKS}
