import pytest

from kfasync.bench.pipeline.figures import PLACED, RESULT
from kfasync.bench.pipeline.hands import Hand, times_of
from kfasync.bench.pipeline.meter import MeteredFob
from kfasync.errors import LaneStoppedError
from kfasync.station.events import LaneEvent
from kfasync.station.states import LaneState
from tests.sim.host import KEYS

READER = "simulated 03"
UID = bytes.fromhex("04010203040506")
pytestmark = pytest.mark.anyio


def event(state: LaneState, message: str = "") -> LaneEvent:
    return LaneEvent(slot=3, reader=READER, state=state, message=message)


def passed(news: LaneEvent) -> bool:
    return news.state is LaneState.PASS


async def test_a_hand_waits_for_what_it_is_told_to_and_passes_over_the_rest() -> None:
    hand = Hand(READER, 30)
    for state in (LaneState.WRITING, LaneState.EMPTY, LaneState.PASS):
        hand.hear(event(state))
    _, heard = await hand.until(passed)
    assert heard.state is LaneState.PASS
    hand.close()


async def test_a_lane_that_stops_ends_every_wait_with_its_own_words() -> None:
    hand = Hand(READER, 30)
    hand.hear(event(LaneState.STOPPED, "the ledger cannot be written"))
    with pytest.raises(LaneStoppedError, match=f"{READER}: .* the ledger cannot be written"):
        await hand.until(passed)
    hand.close()


async def test_a_lane_that_says_nothing_is_not_waited_for_for_ever() -> None:
    hand = Hand(READER, 0)
    with pytest.raises(LaneStoppedError, match=f"{READER}: the lane has said nothing for 0 s"):
        await hand.until(passed)
    hand.close()


def test_a_fob_that_could_not_be_reached_has_lane_time_and_a_fault() -> None:
    times = times_of(
        MeteredFob(UID, KEYS, 1), event(LaneState.READER_FAULT, "no fob on it"), 10.0, 10.5
    )
    assert (times.uid, times.lane_s, times.fault) == (UID.hex().upper(), 0.5, "no fob on it")
    assert (times.model_s, times.card_s, times.spans) == (0, 0, ())
    assert PLACED != RESULT
