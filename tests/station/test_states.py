"""The table of states: every step that is in it can be taken, and no other one happens.

That no other one happens is looked at in every test with a lane in it: `tests.station.desks` and
`tests.pcscd.floor` compare each step with the table.
"""

import re

import pytest

from kfasync.model import Disposition, Stage
from kfasync.station import states
from kfasync.station.states import FOLLOWS, RESULT_OF, RESULTS, WHILE_IN, WORKING, LaneState


def test_every_state_has_its_row_and_its_line_of_prose() -> None:
    assert set(FOLLOWS) == set(LaneState)
    assert states.__doc__ is not None
    for state in LaneState:
        assert re.search(rf"(?m)^    {state.name}  +\S", states.__doc__), state


def test_every_disposition_and_every_stage_is_a_state() -> None:
    assert set(RESULT_OF) == set(Disposition)
    assert set(RESULT_OF.values()) == RESULTS
    assert set(WHILE_IN) == set(Stage)
    assert set(WHILE_IN.values()) < WORKING


def test_only_two_dispositions_are_shown_as_a_pass() -> None:
    passing = {one for one, state in RESULT_OF.items() if state is LaneState.PASS}
    assert passing == {Disposition.PASS, Disposition.RECOVERED}


@pytest.mark.parametrize("state", LaneState)
def test_a_state_is_reached_from_empty_and_leads_on(state: LaneState) -> None:
    reached = {LaneState.EMPTY}
    while more := {after for one in reached for after in FOLLOWS[one]} - reached:
        reached |= more
    assert state in reached
    assert FOLLOWS[state]


def test_a_pass_comes_only_from_a_fob_or_from_what_has_hidden_it() -> None:
    before = {state for state in LaneState if LaneState.PASS in FOLLOWS[state]}
    assert before == WORKING | {LaneState.READER_FAULT, LaneState.STOPPED}


def test_no_fob_is_begun_on_a_stopped_lane() -> None:
    assert not FOLLOWS[LaneState.STOPPED] & WORKING
