from kfasync.acceptance.check import Check, check
from kfasync.acceptance.examiner import CHECKS
from kfasync.acceptance.trial import Trial


def nothing(trial: Trial) -> None: ...


def test_acts_keep_their_order() -> None:
    assert check("a", "b", nothing, len, contents=2) == Check("a", "b", 2, (nothing, len))  # type: ignore[arg-type]  # any function will do


def test_every_check_has_a_name_of_its_own_and_a_reason() -> None:
    assert len({one.name for one in CHECKS}) == len(CHECKS)
    assert all(one.reason and one.acts for one in CHECKS)
