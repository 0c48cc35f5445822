from pathlib import Path

import pytest

from kfasync.acceptance.border import CHECKS
from tests.acceptance.examined import broken, failed, fresh, job

FAULTS = {
    "PRINTS_WHEN_LOADED": "loads-silently",
    "ENTRY_THREAD": "entry-is-fast",
    "ANY_ABI": "unknown-abi-refused",
    "NO_VERSION": "table-is-complete",
    "ANY_INTERFACE": "unknown-interface-is-null",
    "SHORT_LEASE": "short-struct-size",
    "TAIL_WRITTEN": "longer-struct-size",
    "CONFIG_IS_A_STRING": "config-has-no-nul",
    "CONFIG_UNNAMED": "bad-config-refused-by-name",
    "PASS_BY_DEFAULT": "wrong-arguments-refused",
}


@pytest.mark.parametrize(("fault", "check"), FAULTS.items())
def test_a_fault_fails_the_check_made_for_it_and_no_other(
    fault: str, check: str, tmp_path: Path
) -> None:
    assert set(failed(job(broken(fault), fresh(tmp_path)))) == {check}


def test_a_further_fault_of_the_same_kind_is_found(tmp_path: Path) -> None:
    found = failed(job(broken("SHORT_HOST"), fresh(tmp_path), "short-struct-size"))
    assert "a host of 8 bytes" in found["short-struct-size"]


def test_every_check_has_a_fault_that_fails_it() -> None:
    assert set(FAULTS.values()) == {check.name for check in CHECKS}
