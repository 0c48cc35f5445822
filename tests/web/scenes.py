"""Lanes in every state, for measuring and for pictures."""

from typing import Any

from kfasync.contracts.cards import News
from kfasync.station.feed import Feed
from kfasync.station.states import RESULTS, LaneState
from kfasync.station.station import Stock
from kfasync.web.page import Page
from tests.web.pages import event, result

# Every state within sixteen lanes, the four of the smaller picture first.
ORDER = (
    LaneState.PASS,
    LaneState.WRITING,
    LaneState.FAIL,
    LaneState.BOUND,
    LaneState.IN_DOUBT,
    LaneState.STOPPED,
    LaneState.READER_FAULT,
    LaneState.EMPTY,
    LaneState.WAITING,
    LaneState.LOCKING,
    LaneState.RETRY,
    LaneState.READING,
    LaneState.LEASING,
    LaneState.PASS,
    LaneState.WRITING,
    LaneState.PASS,
)
_SAYS = {
    LaneState.STOPPED: "two fobs in a row failed for one cause: station and fob hold other keys",
    LaneState.WAITING: "the key server does not answer; trying again",
    LaneState.READER_FAULT: "plug it in again: reader ACS ACR1252 [PICC] 07 00 is gone",
}
_TORN = {
    "cause": "torn",
    "sw": None,
    "message": "the fob left the reader too early",
    "operator_action": "Place the same fob again. Its content belongs to it and to no other.",
}


def show(feed: Feed, page: Page, lanes: int) -> None:
    """So many lanes, each in its state of :data:`ORDER`."""
    for slot, state in enumerate(ORDER[:lanes], 1):
        feed.publish(lane(slot, state))
    page.show_stock(Stock(content=412, outbox=2, unfinished=1), 212)


def lane(slot: int, state: LaneState) -> Any:
    """News of a lane in this state."""
    uid = f"04{0xA1B2C3D4E5 - slot * 7919999:010X}80"
    if state in RESULTS:
        torn = {} if state in (LaneState.PASS, LaneState.FAIL) else _TORN
        return result(slot, state, uid=uid, fesn=f"1KM0{slot:04X}", attempt=f"a{slot}", **torn)
    there = News.INSERTED
    if state in (LaneState.EMPTY, LaneState.READER_FAULT, LaneState.STOPPED):
        uid = ""
        there = News.GONE if state is LaneState.READER_FAULT else News.EMPTY
    steps = 17 if state in (LaneState.WRITING, LaneState.LOCKING) else 0
    step = {LaneState.WRITING: 8, LaneState.LOCKING: 15}.get(state, 0)
    message = _SAYS.get(state, "")
    return event(slot, state, uid=uid, news=there, step=step, steps=steps, message=message)
