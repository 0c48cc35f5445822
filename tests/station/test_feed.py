"""The feed: nobody waits for a subscriber, and no subscriber loses a result."""

import threading
from typing import Any

from kfasync.audit.record import AttemptRecord
from kfasync.model import Stage
from kfasync.station.events import LaneEvent
from kfasync.station.feed import BACKLOG, Entry, Feed
from kfasync.station.follower import Notice
from kfasync.station.states import LaneState

PATIENCE_S = 30.0


def record(attempt: str) -> AttemptRecord:
    values: dict[str, Any] = dict.fromkeys(AttemptRecord.__struct_fields__)
    values |= {
        "attempt": attempt,
        "stage": Stage.POST_PERSONALIZATION,
        "transcript": (1, 2),
        "stages": (),
    }
    return AttemptRecord(**values)


def working(slot: int, step: int) -> LaneEvent:
    return LaneEvent(slot=slot, reader="R", state=LaneState.WRITING, step=step)


def result(slot: int, attempt: str) -> LaneEvent:
    return LaneEvent(slot=slot, reader="R", state=LaneState.PASS, record=record(attempt))


def attempts(entries: list[Entry]) -> list[str]:
    return [e.record.attempt for e in entries if isinstance(e, LaneEvent) and e.record is not None]


def test_everybody_is_told_everything_in_order() -> None:
    feed = Feed()
    first, second = feed.subscribe(), feed.subscribe()
    told: list[Entry] = [working(1, 1), Notice("outbox", "away"), result(1, "a"), working(2, 1)]
    for entry in told:
        feed.publish(entry)
    assert first.take() == told
    assert second.take() == told
    assert first.take(0.0) == []
    assert [event.slot for event in feed.lanes()] == [1, 2]


def test_who_comes_later_is_told_what_comes_later_and_can_ask_how_it_stands() -> None:
    feed = Feed()
    feed.publish(result(2, "a"))
    late = feed.subscribe()
    assert late.take(0.0) == []
    assert attempts(list(feed.lanes())) == ["a"]


def test_a_subscriber_that_never_comes_loses_detail_and_no_result() -> None:
    feed, fobs = Feed(), 3 * BACKLOG
    slow = feed.subscribe()
    for fob in range(fobs):
        for step in range(17):
            feed.publish(working(fob % 4 + 1, step))
        feed.publish(result(fob % 4 + 1, str(fob)))
        feed.publish(Notice("outbox", f"{fob} wait"))
    taken = slow.take()
    assert attempts(taken) == [str(fob) for fob in range(fobs)]
    assert len(taken) < 3 * fobs
    oldest = next(e for e in taken if isinstance(e, LaneEvent) and e.record is not None)
    assert oldest.record is not None
    assert oldest.record.transcript == ()
    assert [e.problem for e in taken if isinstance(e, Notice)][-1] == f"{fobs - 1} wait"


def test_publishing_does_not_wait_for_a_listener_that_sleeps() -> None:
    feed, asleep, wake = Feed(), threading.Event(), threading.Event()
    heard: list[Entry] = []

    def hear(entry: Entry) -> None:
        heard.append(entry)
        asleep.set()
        wake.wait(PATIENCE_S)

    with feed.listener(hear, failed=lambda error: None):
        feed.publish(result(1, "first"))
        assert asleep.wait(PATIENCE_S)
        # It sleeps, and this comes back all the same.
        for number in range(2 * BACKLOG):
            feed.publish(result(1, str(number)))
        assert len(heard) == 1
        wake.set()
    assert attempts(heard) == ["first", *map(str, range(2 * BACKLOG))]


def test_a_listener_that_raises_is_told_of_once_and_hears_nothing_more() -> None:
    feed, failures, failed = Feed(), list[Exception](), threading.Event()

    def hear(entry: Entry) -> None:
        raise OSError("the terminal is gone")

    def tell(error: Exception) -> None:
        failures.append(error)
        failed.set()

    with feed.listener(hear, tell):
        feed.publish(working(1, 1))
        assert failed.wait(PATIENCE_S)
        feed.publish(working(1, 2))
    assert [str(error) for error in failures] == ["the terminal is gone"]


def test_the_end_of_a_subscription_is_an_empty_answer() -> None:
    feed = Feed()
    subscription = feed.subscribe()
    feed.publish(working(1, 1))
    feed.leave(subscription)
    feed.leave(subscription)
    feed.publish(working(1, 2))
    assert subscription.take() == [working(1, 1)]
    assert subscription.take() == []
