import re
from pathlib import Path

import pytest

from kfasync.acceptance.manners import CANCELLED_LEASES, CANCELLED_TRIES, CHECKS
from tests.acceptance.examined import broken, failed, fresh, job, remarks
from tests.native_build import reference_provider

FAULTS = {
    "ERROR_UNBOUNDED": "error-text-there",
    "DEADLINE": "deadline-kept",
    "CANCEL_STICKS": "cancel-returns",
    "PRINTS": "prints-nothing",
    "SIGNALS": "signal-handlers-untouched",
    "EXITS": "contexts-come-and-go",
}
FURTHER = {
    "BLOCKS_SIGNALS": ("signal-handlers-untouched", "the signals that are blocked change"),
    "LEAKS_A_FILE": ("contexts-come-and-go", "leave files open"),
    "OPEN_DEADLINE": ("deadline-kept", "open with a deadline of 50 ms takes"),
    "ABORT_DEADLINE": ("deadline-kept", "abort with a deadline of 50 ms takes"),
    "COMMIT_DEADLINE": ("deadline-kept", "commit with a short deadline gives KFP_E_INTERNAL"),
}


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


def test_how_often_a_cancellation_has_hit_is_said(tmp_path: Path) -> None:
    (remark,) = remarks(job(reference_provider(), fresh(tmp_path), "cancel-returns"))
    said = re.fullmatch(r"(\d+) of (\d+) leases were cancelled while they ran", remark)
    assert said is not None, remark
    assert int(said[1]) >= CANCELLED_LEASES or int(said[2]) == CANCELLED_TRIES
    assert int(said[1]) > 0


def test_every_check_has_a_fault_that_fails_it() -> None:
    assert set(FAULTS.values()) == {check.name for check in CHECKS}
