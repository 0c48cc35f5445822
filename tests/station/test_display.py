"""What is shown of a lane, by hand; with real fobs in test_lane."""

from typing import Any

import pytest

from kfasync.audit.record import AttemptRecord
from kfasync.contracts.cards import News
from kfasync.model import Stage
from kfasync.station.display import Display, Why
from kfasync.station.events import LaneEvent
from kfasync.station.states import RESULTS, LaneState
from kfasync.station.words import ENGLISH, GERMAN, why

UID = "04AABBCCDDEEFF"


def record() -> AttemptRecord:
    values: dict[str, Any] = dict.fromkeys(AttemptRecord.__struct_fields__)
    values |= {"attempt": "a1", "uid": UID, "stage": Stage.POST_PERSONALIZATION}
    return AttemptRecord(**values)


class Shown:
    def __init__(self) -> None:
        self.events: list[LaneEvent] = []
        self.display = Display(3, "R", self.events.append)
        self.display.hear(News.EMPTY)

    @property
    def last(self) -> LaneEvent:
        return self.events[-1]

    def serve(self, end: LaneState) -> None:
        self.display.hear(News.INSERTED)
        self.display.begin()
        self.display.work(LaneState.READING, "")
        self.display.work(LaneState.WRITING, "a1", step=3, steps=17, uid=UID)
        self.display.result(end, record())


@pytest.mark.parametrize("end", [state for state in LaneState if state in RESULTS])
def test_a_result_stays_until_the_next_fob_is_placed(end: LaneState) -> None:
    shown = Shown()
    shown.serve(end)
    shown.display.rest()
    shown.display.hear(News.EMPTY)
    assert (shown.last.state, shown.last.uid) == (end, UID)
    assert [event.record is not None for event in shown.events[-2:]] == [True, False]
    assert shown.last.news is News.EMPTY
    since_s = shown.last.since_s
    shown.display.hear(News.GONE)
    assert shown.last.state is LaneState.READER_FAULT
    assert shown.last.uid == ""
    shown.display.hear(News.EMPTY)
    assert (shown.last.state, shown.last.uid) == (end, UID)
    assert shown.last.since_s >= since_s
    shown.display.begin()
    shown.display.work(LaneState.READING, "")
    assert (shown.last.state, shown.last.uid) == (LaneState.READING, "")


def test_news_of_the_reader_wait_for_the_end_of_the_attempt() -> None:
    shown = Shown()
    shown.display.hear(News.INSERTED)
    shown.display.begin()
    shown.display.work(LaneState.READING, "")
    count = len(shown.events)
    shown.display.hear(News.GONE)
    assert len(shown.events) == count
    shown.display.result(LaneState.BOUND, record())
    shown.display.rest()
    assert [event.state for event in shown.events[count:]] == [
        LaneState.BOUND,
        LaneState.READER_FAULT,
    ]


def test_a_fob_that_is_not_found_again_leaves_the_result_that_it_had() -> None:
    shown = Shown()
    shown.serve(LaneState.BOUND)
    shown.display.work(LaneState.READING, "")
    shown.display.hear(News.EMPTY)
    shown.display.rest()
    assert (shown.last.state, shown.last.uid) == (LaneState.BOUND, UID)


def test_a_stop_stays_whatever_the_reader_says_and_tells_who_places_a_fob() -> None:
    shown = Shown()
    shown.serve(LaneState.FAIL)
    shown.display.stop(Why("two in a row", "CryptogramError"))
    for news in (News.EMPTY, News.GONE, News.EMPTY):
        shown.display.hear(news)
        assert (shown.last.state, shown.last.message) == (LaneState.STOPPED, "two in a row")
    shown.display.hear(News.INSERTED)
    assert shown.last.state is LaneState.STOPPED
    told = why(shown.last, ENGLISH), why(shown.last, GERMAN)
    assert told == (
        "this fob is not taken, the lane has stopped: two in a row",
        "dieser Fob wird nicht genommen, die Bahn ist angehalten: "
        "Station und Fob haben verschiedene Schlüssel",
    )
    shown.display.resume()
    assert (shown.last.state, shown.last.uid) == (LaneState.FAIL, UID)


def test_a_resumed_lane_without_a_reader_is_a_reader_fault() -> None:
    shown = Shown()
    shown.display.stop(Why("the ledger cannot be written"))
    shown.display.hear(News.GONE)
    shown.display.resume()
    assert shown.last.state is LaneState.READER_FAULT
    assert why(shown.last, ENGLISH) == shown.last.message == "plug it in again: reader R is gone"
    assert why(shown.last, GERMAN) == "wieder anstecken: Leser R ist weg"
