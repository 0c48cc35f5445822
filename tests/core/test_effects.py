from collections.abc import Generator
from typing import Any

import pytest

from kfasync.core.effects import Effect, Identified, WantLease, drive
from kfasync.errors import UnitError
from kfasync.model import Unit

UNIT = Unit(bytes(7), bytes(7), b"", bytes(5), "keyfob")


class Flow:
    """Asks twice, and says what it was told."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.closed = False

    def run(self) -> Generator[Effect, Any, str]:
        try:
            for effect in (Identified(UNIT), WantLease(UNIT)):
                try:
                    self.heard.append((yield effect))
                except UnitError as error:
                    self.heard.append(str(error))
            return "done"
        finally:
            self.closed = True


def test_each_effect_is_carried_out_and_its_answer_goes_back() -> None:
    flow, asked = Flow(), list[Effect]()

    def perform(effect: Effect) -> int:
        asked.append(effect)
        return len(asked)

    assert drive(flow.run(), perform) == "done"
    assert asked == [Identified(UNIT), WantLease(UNIT)]
    assert (flow.heard, flow.closed) == ([1, 2], True)


def _refuse(effect: Effect) -> None:
    if isinstance(effect, Identified):
        raise UnitError("not here")


def _break(effect: Effect) -> None:
    raise ZeroDivisionError


def test_an_error_of_ours_is_thrown_into_the_flow_which_may_go_on() -> None:
    flow = Flow()
    assert drive(flow.run(), _refuse) == "done"
    assert flow.heard == ["not here", None]


def test_any_other_error_ends_the_flow_where_it_stands() -> None:
    flow = Flow()
    with pytest.raises(ZeroDivisionError):
        drive(flow.run(), _break)
    assert (flow.heard, flow.closed) == ([], True)
