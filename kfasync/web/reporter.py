"""From a station's news to what the page shows of it."""

import statistics
import time
from collections import deque
from collections.abc import Callable

from kfasync.audit.record import AttemptRecord, now
from kfasync.contracts.cards import News
from kfasync.station.advice import Language, both, key_of, verb
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice
from kfasync.station.shift import Shift
from kfasync.station.states import RESULTS, LaneState
from kfasync.station.station import Stock
from kfasync.station.words import said, why, words_of
from kfasync.web.board import Board
from kfasync.web.tally import Tally
from kfasync.web.view import Result, Strip, Tile, Totals, Words

_FINAL_KEPT = 50
_PASSES_KEPT = 21  # of which the 20 intervals make the takt
# Since the last fob: what is slower than this is a pause, and no takt.
_PAUSE_S = 300.0


class Reporter:
    """Writes on a board what lanes and followers tell; one thread at a time.

    Args:
        language: of what happened and what to do.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        board: Board,
        language: Language,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board = board
        self._shift = Shift(clock)
        self._tally = Tally()
        self._language = language
        self._clock = clock
        self._since = now()
        self._latched: dict[int, tuple[str, str, Words]] = {}  # attempt, FESN, words
        self._waiting: set[int] = set()
        self._final: deque[bool] = deque(maxlen=_FINAL_KEPT)
        self._passes: deque[float] = deque(maxlen=_PASSES_KEPT)
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
        shift, hour = self._shift, self._shift.last_hour()
        final = shift.passed + shift.failed
        self._board.show_strip(
            Strip(
                since=self._since,
                passed=shift.passed,
                failed=shift.failed,
                again=shift.again,
                hour=hour,
                takt_s=self._takt_s(),
                yield_all=round(shift.passed / final, 4) if final else None,
                yield_50=round(sum(self._final) / len(self._final), 4) if self._final else None,
                content=stock.content,
                content_h=self._hours_of(stock.content),
                source=not self._waiting,
                certificate_d=certificate_d,
                outbox=stock.outbox,
                open=stock.unfinished,
                problems=tuple(self._problems.values()),
            )
        )

    def _result(self, news: LaneEvent, record: AttemptRecord) -> Result:
        self._shift.hear(news)
        key = key_of(record.cause, record.disposition, record.sw)
        words = Words()
        if news.state is LaneState.PASS:
            self._passes.append(self._clock())
        else:
            happened, action = both(
                key, record.sw, record.message, record.operator_action, self._language
            )
            words = Words(happened, action, verb(key).value, record.sw or record.cause)
        if news.state in (LaneState.PASS, LaneState.FAIL):
            self._final.append(news.state is LaneState.PASS)
        self._latched[news.slot] = (record.attempt, record.fesn or "", words)
        return Result(
            at=record.finished,
            slot=news.slot,
            state=news.state.value,
            uid=record.uid or "",
            fesn=record.fesn or "",
            words=words,
        )

    def _takt_s(self) -> float | None:
        gaps = [
            later - one for one, later in zip(self._passes, list(self._passes)[1:], strict=False)
        ]
        gaps = [gap for gap in gaps if gap < _PAUSE_S]
        return round(statistics.mean(gaps), 1) if gaps else None

    def _hours_of(self, content: int | None) -> float | None:
        takt_s = self._takt_s()
        return None if content is None or not takt_s else round(content * takt_s / 3600, 1)
