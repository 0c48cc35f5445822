from typing import Any

from kfasync.audit.record import AttemptRecord
from kfasync.station.events import LaneEvent
from kfasync.station.shift import Shift
from kfasync.station.states import LaneState


def event(state: LaneState, *, result: bool = True) -> LaneEvent:
    values: dict[str, Any] = dict.fromkeys(AttemptRecord.__struct_fields__)
    record = AttemptRecord(**values) if result else None
    return LaneEvent(slot=1, reader="R", state=state, record=record)


def test_results_are_counted_and_what_is_only_shown_again_is_not() -> None:
    shift = Shift()
    for state in (LaneState.PASS, LaneState.PASS, LaneState.FAIL, LaneState.BOUND, LaneState.RETRY):
        shift.hear(event(state))
        shift.hear(event(state, result=False))
    assert (shift.passed, shift.failed, shift.again, shift.last_hour()) == (2, 1, 2, 2)


def test_the_last_hour_moves_on_and_takes_no_more_memory_than_its_minutes() -> None:
    now = 0.0
    shift = Shift(lambda: now)
    for second in range(0, 3 * 3600, 10):
        now = float(second)
        shift.hear(event(LaneState.PASS))
    assert shift.passed == 3 * 360
    assert 354 <= shift.last_hour() <= 360
    assert len(shift._minutes) <= 61
    now += 3600
    assert shift.last_hour() == 0
