import re
from typing import Any

from kfasync.audit.record import AttemptRecord, StageTime
from kfasync.cli.lines import Lines
from kfasync.contracts.cards import News
from kfasync.model import Stage
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice
from kfasync.station.states import LaneState
from kfasync.station.words import GERMAN


def record(**changes: Any) -> AttemptRecord:
    values: dict[str, Any] = dict.fromkeys(AttemptRecord.__struct_fields__)
    values |= {
        "uid": "04AABBCCDDEEFF",
        "fesn": "1KM0001E",
        "stages": (StageTime(Stage.READ_UID, "", 0, 640_000),),
        "cause": "MEMORY_FAILURE",
        "disposition": "fail",
        "message": "PayloadDelivery: 6581, the card's memory failed",
        "operator_action": "Put the fob in the reject bin.",
    }
    return AttemptRecord(**(values | changes))


def event(state: LaneState, **values: Any) -> LaneEvent:
    return LaneEvent(slot=2, reader="ACS [PICC] 00 00", state=state, **values)


class Printed:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.to = Lines(self.lines.append)

    def words(self) -> list[str]:
        """Without the clock."""
        assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in self.lines)
        return [line[10:] for line in self.lines]


def test_a_fob_costs_one_line_and_a_latched_result_none() -> None:
    printed = Printed()
    for told in (
        event(LaneState.EMPTY, news=News.EMPTY),
        event(LaneState.READING),
        event(LaneState.WRITING, step=5, steps=17),
        event(LaneState.PASS, record=record()),
        event(LaneState.PASS, news=News.EMPTY),
        event(LaneState.FAIL, record=record(uid=None)),
    ):
        printed.to.hear(told)
    assert printed.words() == [
        "lane 2  reader ACS [PICC] 00 00 is here",
        "lane 2  PASS      04AABBCCDDEEFF  1KM0001E  0.6 s",
        "lane 2  FAIL      unknown fob     reject it: PayloadDelivery: 6581, the card's memory "
        "failed. Put the fob in the reject bin.",
    ]


def test_faults_and_stops_are_said_once_and_so_are_followers() -> None:
    printed = Printed()
    for _ in range(2):
        printed.to.hear(event(LaneState.STOPPED, message="two in a row"))
    for told in (
        event(LaneState.READER_FAULT, message="no answer", news=News.INSERTED),
        event(LaneState.READER_FAULT, message="reader ACS is gone", news=News.GONE),
        event(LaneState.EMPTY),
        Notice("outbox", "3 ends wait"),
        Notice("outbox"),
        Notice("certificates", "one runs out", warning=True),
        Notice("certificates", warning=True),
    ):
        printed.to.hear(told)
    printed.to.note("stopping")
    assert printed.words() == [
        "lane 2  STOPPED: two in a row",
        "lane 2  READER FAULT: no answer",
        "lane 2  READER FAULT: plug it in again: reader ACS [PICC] 00 00 is gone",
        "lane 2  reader ACS [PICC] 00 00 is here",
        "outbox is behind: 3 ends wait",
        "outbox has caught up",
        "certificates: one runs out",
        "certificates: all right again",
        "stopping",
    ]


def test_in_german_a_lane_says_why_in_german_and_a_follower_how_it_is_getting_on() -> None:
    printed = Printed()
    printed.to = Lines(printed.lines.append, GERMAN)
    for told in (
        event(LaneState.STOPPED, message="63C2", cause="RETRIES_LEFT", sw="63C2"),
        event(LaneState.WAITING, message="no route", cause="SourceUnavailableError"),
        event(LaneState.STOPPED, message="unheard of", cause="ErrorOfNoTable", news=News.EMPTY),
        Notice("outbox", "3 ends wait"),
        Notice("outbox"),
    ):
        printed.to.hear(told)
    assert printed.words() == [
        "Bahn 2  ANGEHALTEN: Der Fob nimmt die Schlüssel nicht an (63C2)",
        "Bahn 2  WARTEN: Die Quelle der Inhalte antwortet nicht",
        "Bahn 2  ANGEHALTEN: unheard of",
        "Ausgang ist im Rückstand: 3 ends wait",
        "Ausgang ist wieder auf dem Stand",
    ]


def test_in_german_the_advice_is_german_too() -> None:
    lines: list[str] = []
    german = Lines(lines.append, GERMAN)
    german.hear(event(LaneState.FAIL, record=record(cause="MEMORY_FAILURE", sw="6581")))
    assert lines[0].endswith(
        "Bahn 2  SCHLECHT  04AABBCCDDEEFF  in den Ausschuss: "
        "Der Speicher des Fobs ist ausgefallen (6581). "
        "Fob ist defekt: in den Ausschuss. Nächsten Fob nehmen."
    )
