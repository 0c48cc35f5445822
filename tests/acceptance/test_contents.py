from pathlib import Path

import pytest

from kfasync.acceptance.contents import CHECKS, none_twice, well_formed
from kfasync.acceptance.observed import Observed
from kfasync.acceptance.subject import Finding
from tests.acceptance.examined import broken, failed, fresh, job

FAULTS = {
    "KCV": "content-well-formed",
    "IRK_TWICE": "no-content-twice",
}
FURTHER = {
    "OTHERS_SCALAR": ("content-well-formed", "another key than the scalar"),
    "SCALAR_OF_EVERY_THIRD": ("content-well-formed", "another key than the scalar"),
    "CERTIFICATE_OF_EVERY_THIRD": ("content-well-formed", "whose CN is not the FESN"),
    "LEASE_ID_UNPRINTABLE": ("content-well-formed", "lease_id is not UTF-8, or cannot be printed"),
    "KCV_OF_EVERY_THIRD": ("content-well-formed", "the check value of Key-ENC is wrong"),
    "SPID_TWICE": ("no-content-twice", "have the same SPID"),
    "KEY_TWICE": ("no-content-twice", "have the same device key"),
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
    # All checks, for the content of one alone may by chance be without the defect.
    found = failed(job(broken(fault), fresh(tmp_path)))
    assert sentence in found[check]


def test_a_judgement_is_of_all_contents_and_names_the_first() -> None:
    good = Observed("A", None, {"IRK": "1"})
    bad = [Observed(fesn, f"no {fesn}", {}) for fesn in "BCB"]
    well_formed([good])
    with pytest.raises(Finding, match="B: no B, and so with 1 more contents of 4 leases"):
        well_formed([good, *bad])


def test_the_same_content_may_be_leased_again_and_again() -> None:
    one = Observed("A", None, {"IRK": "1", "SPID": "2"})
    none_twice([one, Observed("B", None, {"IRK": "2", "SPID": "1"}), one])
    with pytest.raises(Finding, match="A and C have the same SPID"):
        none_twice([one, Observed("C", None, {"SPID": "2"})])


def test_every_check_has_a_fault_that_fails_it() -> None:
    assert set(FAULTS.values()) == {check.name for check in CHECKS}
