from kfasync.station.advice import Language
from kfasync.station.follower import Notice
from kfasync.station.states import LaneState
from kfasync.station.station import Stock
from kfasync.web.board import Board
from kfasync.web.day import Day
from kfasync.web.reporter import Reporter
from kfasync.web.view import Strip, Tile, Words
from tests.web.pages import UID, event, result


class Told:
    def __init__(self, language: Language = Language.ENGLISH) -> None:
        self.now_s = 0.0
        self.board = Board("e")
        self.reporter = Reporter(self.board, language, Day(lambda: self.now_s))

    def tile(self, slot: int = 1) -> Tile:
        found = self.board.tile(slot)
        assert found is not None
        return found

    def strip(self, stock: Stock, certificate_d: int | None = None) -> Strip:
        self.reporter.look(stock, certificate_d)
        strip = self.board.since("", 0).strip
        assert strip is not None
        return strip


def test_a_failure_says_what_happened_what_to_do_and_its_code_until_the_next_fob() -> None:
    told = Told()
    told.reporter.hear(event(1, LaneState.WRITING, attempt="a1", uid=UID, step=8, steps=17))
    assert (told.tile().step, told.tile().steps, told.tile().words) == (8, 17, Words())
    told.reporter.hear(result(1, LaneState.FAIL))
    words = Words(
        "PayloadDelivery: 6581, the card's memory failed",
        "Put the fob in the reject bin, it is defective.",
        "reject it",
        "6581",
    )
    assert told.tile().words == words
    # Taken off, its reader gone and back: it is still what is shown.
    told.reporter.hear(event(1, LaneState.FAIL, attempt="a1", uid=UID))
    told.reporter.hear(event(1, LaneState.READER_FAULT, message="plug it in"))
    assert told.tile().words == Words()
    told.reporter.hear(event(1, LaneState.FAIL, attempt="a1", uid=UID))
    assert told.tile().words == words
    told.reporter.hear(event(1, LaneState.READING, attempt="a2"))
    assert told.tile().words == Words()
    (one,) = told.board.since("", 0).results
    assert (one.uid, one.state, one.words) == (UID, "fail", words)


def test_advice_is_in_the_language_of_the_station() -> None:
    told = Told(Language.GERMAN)
    told.reporter.hear(result(1, LaneState.FAIL))
    assert told.tile().words.code == "6581"
    assert "Ausschuss" in told.tile().words.action


def test_the_strip_counts_and_leaves_out_what_nobody_knows() -> None:
    told = Told()
    empty = told.strip(Stock())
    assert (empty.takt_s, empty.yield_all, empty.yield_50, empty.content_h) == (None,) * 4
    for number in range(60):
        told.now_s += 10.0
        # The first ten fail, and are not among the last fifty.
        state = LaneState.FAIL if number < 10 else LaneState.PASS
        told.reporter.hear(result(1 + number % 4, state))
    told.reporter.hear(result(1, LaneState.BOUND))
    strip = told.strip(Stock(content=720, outbox=3, unfinished=1), certificate_d=12)
    assert (strip.passed, strip.failed, strip.again, strip.hour) == (50, 10, 1, 50)
    assert (strip.takt_s, strip.content_h) == (10.0, 2.0)
    assert (strip.yield_all, strip.yield_50) == (round(50 / 60, 4), 1.0)
    assert (strip.content, strip.outbox, strip.open, strip.certificate_d) == (720, 3, 1, 12)


def test_a_pause_is_no_takt() -> None:
    told = Told()
    for wait_s in (10.0, 10.0, 3600.0, 20.0):
        told.now_s += wait_s
        told.reporter.hear(result(1, LaneState.PASS))
    assert told.strip(Stock()).takt_s == 15.0


def test_followers_and_a_source_that_is_away_are_told_until_it_is_over() -> None:
    told = Told()
    told.reporter.hear(Notice("audit log", "the disk is full"))
    told.reporter.hear(event(2, LaneState.WAITING, message="the key server does not answer"))
    strip = told.strip(Stock())
    assert (strip.problems, strip.source) == (("audit log is behind: the disk is full",), False)
    told.reporter.hear(Notice("audit log"))
    told.reporter.hear(event(2, LaneState.LEASING))
    strip = told.strip(Stock())
    assert (strip.problems, strip.source) == ((), True)
