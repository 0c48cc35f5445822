"""The board, drawn at the widths of real terminals; in a pty in test_run."""

import io
import time
from typing import Any

import pytest
from rich.console import Console

from kfasync.audit.record import AttemptRecord
from kfasync.cli.screen import Screen
from kfasync.contracts.cards import News
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice
from kfasync.station.shift import Shift
from kfasync.station.states import LaneState
from kfasync.station.station import Stock

UID = "04AABBCCDDEEFF"
WIDTHS = pytest.mark.parametrize("width", [40, 80, 160])
FAILED = "PayloadDelivery: 6581, the card's memory failed"


def record(**changes: Any) -> AttemptRecord:
    values: dict[str, Any] = dict.fromkeys(AttemptRecord.__struct_fields__)
    values |= {"uid": UID, "fesn": "1KM0001E", "message": FAILED, "operator_action": "Reject it."}
    values |= {"cause": "MEMORY_FAILURE", "disposition": "fail"}
    return AttemptRecord(**(values | changes))


def event(slot: int, state: LaneState, **values: Any) -> LaneEvent:
    told: dict[str, Any] = {"since_s": time.monotonic(), "news": News.INSERTED} | values
    return LaneEvent(slot=slot, reader=f"ACS ACR1252 [PICC] 0{slot} 00", state=state, **told)


class Drawn:
    def __init__(self, width: int, height: int = 24) -> None:
        self._console = Console(
            file=io.StringIO(),
            width=width,
            height=height,
            force_terminal=True,
            color_system=None,
        )
        self.shift = Shift()
        self.screen = Screen(self._console, self.shift)

    def tell(self, *events: LaneEvent | Notice) -> None:
        for one in events:
            if isinstance(one, LaneEvent):
                self.shift.hear(one)
            self.screen.hear(one)

    def lines(self) -> list[str]:
        # On a console of its own: that of a board that is shown draws all of it.
        out = io.StringIO()
        Console(file=out, width=self._console.width, color_system=None).print(self.screen.render())
        return [line.rstrip() for line in out.getvalue().splitlines()]


@WIDTHS
def test_every_lane_has_its_line_with_state_fob_step_and_since_when(width: int) -> None:
    drawn = Drawn(width)
    drawn.tell(
        event(1, LaneState.WRITING, uid=UID, step=8, steps=17),
        event(2, LaneState.EMPTY, news=News.EMPTY),
        event(3, LaneState.STOPPED, message="two fobs in a row", since_s=time.monotonic() - 250),
        event(16, LaneState.IN_DOUBT, uid=UID),
    )
    lines = drawn.lines()
    assert all(len(line) <= width for line in lines)
    rows = {line.split()[0]: line for line in lines if line[:2].strip().isdecimal()}
    assert set(rows) == {"1", "2", "3", "16"}
    for word in ("WRITING", "8/17", UID, "0 s"):
        assert word in rows["1"]
    assert "4 m" in rows["3"]
    assert "IN DOUBT" in rows["16"]
    text = "\n".join(lines)
    # The reader's number and the reason are somewhere, at any width.
    assert "02 00" in text
    assert "two fobs in a row" in text
    assert lines[-1].startswith("r: resume a stopped lane")


@WIDTHS
def test_results_are_listed_the_last_first_as_far_as_there_is_room(width: int) -> None:
    drawn = Drawn(width)
    for number in range(300):
        fesn = f"1KM{number:05X}"
        drawn.tell(event(1, LaneState.PASS, record=record(fesn=fesn)))
    drawn.tell(event(2, LaneState.FAIL, record=record()))
    lines = drawn.lines()
    assert len(lines) <= 24
    first = next(n for n, line in enumerate(lines) if line[2:3] == ":")
    assert " FAIL " in lines[first]
    assert "1KM0001E" in lines[first]
    assert "1KM0012B" in lines[first + 1]
    text = "\n".join(lines)
    assert "passed 300" in text
    assert "failed 1" in text
    # What was done with it is said at the lane, whatever the width.
    assert "the card's memory failed" in " ".join(text.split())


def test_a_failed_fob_says_what_to_do_until_the_next_one() -> None:
    drawn = Drawn(160)
    drawn.tell(event(1, LaneState.FAIL, record=record()))
    assert any(f"reject it: {FAILED}. Reject it." in line for line in drawn.lines())
    drawn.tell(event(1, LaneState.READING))
    assert not any(line.startswith(" 1") and FAILED in line for line in drawn.lines())
    drawn.tell(event(1, LaneState.PASS, record=record()))
    assert any("take the fob, place the next" in line for line in drawn.lines())
    drawn.tell(event(1, LaneState.PASS, news=News.EMPTY))
    assert any(line.endswith("  place the next") for line in drawn.lines())


@WIDTHS
def test_the_strip_tells_what_is_left_and_whether_the_source_is_away(width: int) -> None:
    drawn = Drawn(width)
    assert "no reader yet: plug one in" in drawn.lines()
    drawn.screen.show_stock(Stock(content=112, outbox=3))
    drawn.tell(event(1, LaneState.WAITING, message="the key server does not answer"))
    drawn.tell(Notice("outbox", "3 ends wait"), Notice("clock", "a minute off", warning=True))
    text = "\n".join(drawn.lines())
    for words in ("content 112", "outbox 3", "source away", "outbox is behind: 3 ends wait"):
        assert words in text
    drawn.tell(Notice("outbox"), event(1, LaneState.LEASING))
    text = "\n".join(drawn.lines())
    assert "source ok" in text
    assert "outbox is behind" not in text
    assert "clock: a minute off" in text


def test_notes_and_what_is_typed_are_shown_at_the_bottom() -> None:
    drawn = Drawn(80)
    drawn.screen.note("shown below, for there is no board yet")
    with drawn.screen:
        drawn.screen.note("stopping: finishing lane 1")
        drawn.screen.show_prompt("resume lane 3_")
        lines = drawn.lines()
        assert lines[-2:] == ["stopping: finishing lane 1", "resume lane 3_"]


def test_brackets_of_readers_are_no_markup() -> None:
    drawn = Drawn(160)
    drawn.tell(event(1, LaneState.EMPTY, news=News.EMPTY))
    assert any("ACS ACR1252 [PICC] 01 00" in line for line in drawn.lines())
