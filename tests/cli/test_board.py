import io

import pytest
from rich.console import Console

from kfasync.audit.record import AttemptRecord
from kfasync.cli.board import Board
from kfasync.model import Stage
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice
from kfasync.station.states import LaneState


def record(**changes: object) -> AttemptRecord:
    values: dict[str, object] = dict.fromkeys(AttemptRecord.__struct_fields__)
    values |= {
        "reader": "R 00",
        "uid": "04AABBCCDDEEFF",
        "fesn": "1KM0001E",
        "outcome": "pass",
        "disposition": "pass",
        "stage": Stage.POST_PERSONALIZATION,
        "stages": (),
        "message": "provisioned",
        **changes,
    }
    return AttemptRecord(**values)  # type: ignore[arg-type]  # the rest is not looked at


def event(state: LaneState, **values: object) -> LaneEvent:
    return LaneEvent(slot=0, reader="R 00", state=state, **values)  # type: ignore[arg-type]  # a few of them


FAILED = {
    "outcome": "fail",
    "disposition": "fail",
    "stage": Stage.PAYLOAD_DELIVERY,
    "sw": "6581",
    "message": "PayloadDelivery: 6581, the card's memory failed",
}


@pytest.mark.parametrize("terminal", [True, False])
def test_a_fob_is_shown_with_its_stage_and_its_end(terminal: bool) -> None:
    out = io.StringIO()
    with Board(Console(file=out, force_terminal=terminal, width=160)) as board:
        board.tell(event(LaneState.WRITING, stage=Stage.READ_UID))
        board.tell(
            event(LaneState.WRITING, stage=Stage.PAYLOAD_DELIVERY, step=8, steps=17, uid="04AABB")
        )
        board.tell(event(LaneState.PASS, record=record(**FAILED)))
        board.tell(event(LaneState.STOPPED, message="two in a row"))
        board.tell(event(LaneState.EMPTY))
    shown = out.getvalue()
    assert "FAIL" in shown
    assert "6581, the card's memory failed" in shown
    assert "two in a row" in shown


def test_a_shift_longer_than_the_terminal_is_high_stays_in_sight() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, height=10)
    with Board(console) as board:
        for number in range(30):
            board.tell(event(LaneState.WRITING, stage=Stage.READ_UID))
            board.tell(event(LaneState.PASS, record=record(fesn=f"1KM{number:05X}")))
        out.truncate(0)
    assert "1KM0001D" in out.getvalue()
    assert "1KM00000" not in out.getvalue()
    assert len(board.records) == 30


def test_the_table_has_a_row_for_every_attempt_and_says_where_it_stopped() -> None:
    out = io.StringIO()
    console = Console(file=out, width=120)
    board = Board(console)
    board.tell(event(LaneState.PASS, record=record()))
    console.print(board.table())
    assert "Stopped in" not in out.getvalue()
    board.tell(event(LaneState.PASS, record=record(**FAILED, fesn=None, uid=None)))
    console.print(board.table())
    assert "PayloadDelivery" in out.getvalue()
    assert "6581" in out.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_reader_s_name_with_brackets_is_shown_as_it_is(terminal: bool) -> None:
    name = "Identiv [uTrust 3700 F CL Reader] 00 00"
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=200, color_system=None)
    with Board(console) as board:
        working = LaneEvent(slot=0, reader=name, state=LaneState.WRITING, stage=Stage.READ_UID)
        board.tell(working)
        board.tell(event(LaneState.PASS, record=record(reader=name)))
        fault = LaneEvent(slot=0, reader=name, state=LaneState.READER_FAULT, message="[gone]")
        board.tell(fault)
        board.note("[note]")
    console.print(board.table())
    assert out.getvalue().count(name) >= 3
    assert "[gone]" in out.getvalue()
    assert "[note]" in out.getvalue()


def test_a_warning_is_none_of_a_follower() -> None:
    out = io.StringIO()
    board = Board(Console(file=out, width=200, color_system=None))
    for notice in (
        Notice("outbox", "nobody listens"),
        Notice("outbox"),
        Notice("clock", "it is off", warning=True),
        Notice("clock", warning=True),
    ):
        board.notice(notice)
    assert out.getvalue().splitlines() == [
        "outbox behind: nobody listens",
        "outbox has caught up",
        "clock warning: it is off",
        "clock is all right again",
    ]


def test_a_table_of_forty_columns_keeps_reader_number_and_fesn() -> None:
    out = io.StringIO()
    console = Console(file=out, width=40)
    board = Board(console)
    board.tell(event(LaneState.PASS, record=record(reader="simulated 03")))
    board.tell(event(LaneState.FAIL, record=record(**FAILED, reader="simulated 12")))
    out.truncate(0)
    console.print(board.table())
    shown = out.getvalue().lstrip("\0")
    assert max(map(len, shown.splitlines())) <= 40
    for words in ("simulated 03", "simulated 12", "1KM0001E", "pass", "fail"):
        assert words in shown
