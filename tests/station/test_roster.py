import pytest

from kfasync.errors import UnitError
from kfasync.station.roster import Roster
from tests.station.desks import unit


def test_a_unit_is_on_one_reader_at_a_time() -> None:
    roster = Roster()
    with roster.working_on(unit(1), "A"):
        with pytest.raises(UnitError, match="04000000000001 is on reader A"):
            roster.working_on(unit(1), "B").__enter__()
        with roster.working_on(unit(2), "B"):
            pass
    with roster.working_on(unit(1), "B"):
        pass


def test_the_same_uid_of_another_profile_is_another_unit() -> None:
    roster = Roster()
    with roster.working_on(unit(1), "A"), roster.working_on(unit(1, b"other"), "B"):
        pass


def test_a_refusal_leaves_the_unit_with_its_holder() -> None:
    roster = Roster()
    with roster.working_on(unit(1), "A"):
        for _ in range(2):
            with pytest.raises(UnitError):
                roster.working_on(unit(1), "B").__enter__()


def test_a_unit_is_free_again_after_an_error() -> None:
    roster = Roster()
    with pytest.raises(RuntimeError), roster.working_on(unit(1), "A"):
        raise RuntimeError
    with roster.working_on(unit(1), "B"):
        pass


def test_a_unit_whose_attempt_was_not_ended_is_taken_care_of_once() -> None:
    roster = Roster()
    assert not roster.take_unended(unit(1))
    roster.leave_unended(unit(1))
    assert not roster.take_unended(unit(2))
    assert roster.take_unended(unit(1))
    assert not roster.take_unended(unit(1))
