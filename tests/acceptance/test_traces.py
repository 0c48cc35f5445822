from pathlib import Path

import pytest

from kfasync.acceptance.traces import CHECKS
from tests.acceptance.examined import broken, failed, fresh, job

FAULTS = {
    "LEAKS_MEMORY": "leases-leave-nothing",
    "CHDIR": "process-left-alone",
    "ABORTS_AT_EXIT": "ends-in-peace",
}
FURTHER = {
    "LEAKS_PAGES": ("leases-leave-nothing", "leave 4,096 bytes mapped"),
    "LEAKS_FILES": ("leases-leave-nothing", "leave files open"),
    "LEAKS_THREADS": ("leases-leave-nothing", "leave threads running"),
    "UMASK": ("process-left-alone", "it changes the umask"),
    "SETENV": ("process-left-alone", "it changes the environment"),
    "SETSID": ("process-left-alone", "it changes the session or the process group"),
    "RLIMIT": ("process-left-alone", "it changes the limits of the process"),
    "ROUNDING": ("process-left-alone", "it changes the rounding of floating point"),
    "ALARM": ("process-left-alone", "it changes a timer of the process"),
    "LOCALE": ("process-left-alone", "it changes the locale"),
    "FORKS": ("process-left-alone", "it changes the children of the process"),
    "CLOSES_OTHERS": ("process-left-alone", "it closes files that are not its own"),
    "HANGS_AT_EXIT": ("ends-in-peace", "the process does not end within"),
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


def test_every_check_has_a_fault_that_fails_it() -> None:
    assert set(FAULTS.values()) == {check.name for check in CHECKS}
