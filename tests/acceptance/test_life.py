from pathlib import Path

import pytest

from kfasync.acceptance.life import CHECKS
from tests.acceptance.examined import broken, failed, fresh, job

FAULTS = {
    "CONTENT_CHANGES": "same-unit-same-content",
    "LEASE_OF_CONTEXT": "contexts-share-one-pool",
    "UID_CUT": "different-units-different-content",
    "ABORT_KEEPS": "abort-policy-as-declared",
    "ABORT_ALWAYS_FREES": "touched-content-stays-bound",
    "SECOND_COMMIT": "ends-may-be-told-twice",
    "OUTCOME_FORGOTTEN": "outcome-is-final",
    "UNKNOWN_LEASE": "unknown-lease-refused",
    "THREADS": "threads-without-duplicates",
    "COUNTS": "pool-counts-move",
}


@pytest.mark.parametrize(("fault", "check"), FAULTS.items())
def test_a_fault_fails_the_check_made_for_it_and_no_other(
    fault: str, check: str, tmp_path: Path
) -> None:
    assert set(failed(job(broken(fault), fresh(tmp_path)))) == {check}


def test_every_check_has_a_fault_that_fails_it() -> None:
    assert set(FAULTS.values()) == {check.name for check in CHECKS}
