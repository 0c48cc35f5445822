from kfasync.audit.record import StageTime
from kfasync.model import Stage
from kfasync.station.states import LaneState
from kfasync.web.tally import Tally
from kfasync.web.view import STAGE_BOUNDS_S, StageTotal
from tests.web.pages import record


def stage(took_us: int) -> StageTime:
    return StageTime(stage=Stage.FETCH_KEYS, at="", offset_us=0, took_us=took_us)


def test_causes_are_those_of_the_catalogue_and_whatever_else_there_is_is_one() -> None:
    tally = Tally()
    tally.add(record(LaneState.PASS))
    tally.add(record(LaneState.PASS))
    for cause, sw in (("torn", None), ("evil\nname", None), ("04AABBCCDDEEFF", None)):
        tally.add(record(LaneState.BOUND, cause=cause, sw=sw))
    tally.add(record(LaneState.FAIL))
    tally.add(record(LaneState.FAIL, cause="RETRIES_LEFT", sw="63C0"))
    assert tally.totals().fobs == (
        ("bound", "other", 2),
        ("bound", "torn", 1),
        ("fail", "MEMORY_FAILURE", 1),
        ("fail", "locked", 1),
        ("pass", "pass", 2),
    )


def test_a_time_is_in_the_bucket_of_its_upper_bound() -> None:
    tally = Tally()
    for took_us in (5_000, 5_001, 30_000_000, 31_000_000):
        tally.add(record(stages=(stage(took_us),)))
    (found,) = tally.totals().stages
    assert found == StageTotal("FetchKeys", (1, 1, *[0] * 9, 1, 1), 0.005 + 0.005001 + 61)
    assert len(found.counts) == len(STAGE_BOUNDS_S) + 1
