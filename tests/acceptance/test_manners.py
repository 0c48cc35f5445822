from pathlib import Path

import pytest

from kfasync.acceptance.manners import CHECKS
from tests.acceptance.examined import broken, failed, fresh, job

FAULTS = {
    "ERROR_UNBOUNDED": "error-text-there",
    "DEADLINE": "deadline-kept",
    "CANCEL_STICKS": "cancel-returns",
    "PRINTS": "prints-nothing",
    "SIGNALS": "signal-handlers-untouched",
    "EXITS": "contexts-come-and-go",
}


@pytest.mark.parametrize(("fault", "check"), FAULTS.items())
def test_a_fault_fails_the_check_made_for_it_and_no_other(
    fault: str, check: str, tmp_path: Path
) -> None:
    assert set(failed(job(broken(fault), fresh(tmp_path)))) == {check}


def test_a_further_fault_of_the_same_kind_is_found(tmp_path: Path) -> None:
    found = failed(job(broken("LEAKS_A_FILE"), fresh(tmp_path), "contexts-come-and-go"))
    assert "leave files open" in found["contexts-come-and-go"]


def test_every_check_has_a_fault_that_fails_it() -> None:
    assert set(FAULTS.values()) == {check.name for check in CHECKS}
