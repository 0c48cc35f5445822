"""From a station's news to what the page shows of it."""

from kfasync.audit.record import AttemptRecord
from kfasync.contracts.cards import News
from kfasync.station.advice import Language, both, key_of, verb
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice
from kfasync.station.states import RESULTS, LaneState
from kfasync.station.station import Stock
from kfasync.station.words import said, why, words_of
from kfasync.web.board import Board
from kfasync.web.day import Day, midnight
from kfasync.web.tally import Tally
from kfasync.web.view import Result, Strip, Tile, Totals, Words


class Reporter:
    """Writes on a board what lanes and followers tell; one thread at a time.

    Args:
        language: of what happened and what to do.
        day: what has been done before.
    """

    def __init__(
        self,
        board: Board,
        language: Language,
        day: Day | None = None,
    ) -> None:
        self._board = board
        self._day = day or Day()
        self._tally = Tally()
        self._language = language
        self._latched: dict[int, tuple[str, str, Words]] = {}  # attempt, FESN, words
        self._waiting: set[int] = set()
        self._problems: dict[str, str] = {}

    def hear(self, news: LaneEvent | Notice) -> None:
        """Take in news."""
        if isinstance(news, Notice):
            self._problems.pop(news.follower, None)
            if news.problem:
                self._problems[news.follower] = said(news, words_of(self._language))
            return
        result: Result | None = None
        totals: Totals | None = None
        if news.record is not None:
            result = self._result(news, news.record)
            self._tally.add(news.record)
            totals = self._tally.totals()
        attempt, fesn, words = self._latched.get(news.slot, ("", "", Words()))
        latched = news.state in RESULTS and attempt == news.attempt
        before = self._board.tile(news.slot)
        self._board.show(
            Tile(
                slot=news.slot,
                reader=news.reader,
                state=news.state.value,
                uid=news.uid,
                fesn=fesn if latched else "",
                attempt=news.attempt,
                step=news.step,
                steps=news.steps,
                message=why(news, words_of(self._language)),
                words=words if latched else Words(),
                there=news.news is News.INSERTED,
                seen=latched and before is not None and before.attempt == attempt and before.seen,
            ),
            result,
            totals,
        )
        if news.state is LaneState.WAITING:
            self._waiting.add(news.slot)
        else:
            self._waiting.discard(news.slot)

    def look(self, stock: Stock, certificate_d: int | None = None) -> None:
        """The figures of the line, as they stand now."""
        day = self._day
        self._tally.commits = stock.commits
        self._board.show_strip(
            Strip(
                since=midnight(),
                passed=day.passed,
                failed=day.failed,
                again=day.again,
                hour=day.hour,
                takt_s=day.takt_s,
                yield_all=day.part,
                yield_50=day.part_of_last,
                content=stock.content,
                content_h=self._hours_of(stock.content),
                source=not self._waiting,
                certificate_d=certificate_d,
                outbox=stock.outbox,
                open=stock.unfinished,
                problems=tuple(self._problems.values()),
                checks=stock.checks,
            ),
            self._tally.totals(),
        )

    def _result(self, news: LaneEvent, record: AttemptRecord) -> Result:
        self._day.add(news.state)
        key = key_of(record.cause, record.disposition, record.sw)
        words = Words()
        if news.state is not LaneState.PASS:
            happened, action = both(
                key, record.sw, record.message, record.operator_action, self._language
            )
            words = Words(happened, action, verb(key).value, record.sw or record.cause)
        self._latched[news.slot] = (record.attempt, record.fesn or "", words)
        return Result(
            at=record.finished,
            slot=news.slot,
            state=news.state.value,
            uid=record.uid or "",
            fesn=record.fesn or "",
            words=words,
        )

    def _hours_of(self, content: int | None) -> float | None:
        takt_s = self._day.takt_s
        return None if content is None or not takt_s else round(content * takt_s / 3600, 1)
