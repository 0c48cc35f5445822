import datetime
from pathlib import Path

import pytest

from kfasync.ledger.history import End
from kfasync.station.advice import Language
from kfasync.station.feed import Feed
from kfasync.station.follower import Notice
from kfasync.station.states import LaneState
from kfasync.station.station import Stock
from kfasync.web.day import Day, longest_day, midnight
from kfasync.web.page import open_page
from tests.station.desks import sql
from tests.web.histories import fill
from tests.web.pages import Stream, result, write_web

# Noon of a day in winter, at this place.
NOON_S = datetime.datetime(2026, 1, 15, 12).astimezone().timestamp()


class Told:
    def __init__(self) -> None:
        self.now_s = NOON_S
        self.day = Day(lambda: self.now_s)


def end(at_s: float, disposition: str = "pass") -> End:
    at = datetime.datetime.fromtimestamp(at_s, datetime.UTC)
    return End(at.isoformat(timespec="microseconds"), disposition)


def test_what_was_before_the_start_counts_by_its_own_time() -> None:
    told = Told()
    # Yesterday evening, this morning, and within the hour.
    told.day.remember(end(NOON_S - 15 * 3600 + n, "fail") for n in range(10))
    told.day.remember(end(NOON_S - 4 * 3600 + n) for n in range(30))
    told.day.remember(end(NOON_S - 600 + 20 * n, "recovered") for n in range(20))
    told.day.remember([end(NOON_S - 5, "bound"), end(NOON_S - 4, "already-provisioned")])
    day = told.day
    assert (day.passed, day.failed, day.again, day.hour) == (50, 1, 1, 20)
    assert (day.part, day.part_of_last, day.takt_s) == (round(50 / 51, 4), 0.98, 20.0)


def test_a_new_day_begins_at_midnight_and_the_last_fifty_stay() -> None:
    told = Told()
    told.now_s += 11.9 * 3600
    told.day.add(LaneState.PASS)
    told.day.add(LaneState.FAIL)
    told.day.add(LaneState.BOUND)
    told.now_s += 1200
    day = told.day
    assert (day.passed, day.failed, day.again, day.part) == (0, 0, 0, None)
    assert (day.part_of_last, day.hour) == (0.5, 1)
    told.day.add(LaneState.PASS)
    assert (day.passed, day.part, day.hour) == (1, 1.0, 2)
    told.now_s += 3600
    assert day.hour == 0


def test_a_clock_that_was_set_back_makes_no_takt() -> None:
    told = Told()
    for step_s in (10, -500, 10, 400, 12):
        told.now_s += step_s
        told.day.add(LaneState.PASS)
    assert told.day.takt_s == 11.0


def test_days_begin_at_midnight_of_this_place() -> None:
    for days in (0, 6, 29):
        began = datetime.datetime.fromisoformat(midnight(days)).astimezone()
        assert (began.hour, began.minute, began.second) == (0, 0, 0)
        today = datetime.datetime.now().astimezone().date()
        assert (today - began.date()).days == days
    assert longest_day() < midnight()


def test_a_page_of_a_station_that_starts_again_goes_on_counting(tmp_path: Path) -> None:
    # All within the hour; around midnight some of them are yesterday's.
    fill(tmp_path / "var", 100)
    feed = Feed()
    with open_page(write_web(tmp_path), Language.ENGLISH, feed) as page:
        assert page is not None
        feed.publish(result(1, LaneState.PASS))
        with Stream(page.url) as stream:
            stream.until(1, LaneState.PASS)
            page.show_stock(Stock(), None)
            while (delta := stream.event()) is None or delta.strip is None or not delta.strip.since:
                pass
    strip = delta.strip
    assert (strip.hour, strip.takt_s is not None) == (81, True)
    assert strip.yield_50 == pytest.approx(0.9, abs=0.05)
    assert strip.passed <= 81


def test_a_ledger_that_cannot_be_read_is_told_and_stops_no_page(tmp_path: Path) -> None:
    fill(tmp_path / "var", 1)
    sql(tmp_path / "var", "PRAGMA user_version = 1")
    feed = Feed()
    news = feed.subscribe()
    with open_page(write_web(tmp_path), Language.ENGLISH, feed) as page:
        assert page is not None
    (told,) = news.take(0)
    assert isinstance(told, Notice)
    assert "its figures begin at zero: the ledger" in told.problem
