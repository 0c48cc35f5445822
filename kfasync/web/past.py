"""What the lead's page asks of the ledger, in the page's process: one look at a time.

The file is the lanes' too. So whoever asks without pause gets one answer after the other, with a
fifth of a second in between, or nine times as long as the answer took: disk and processor are the
lanes'.
"""

import asyncio
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from kfasync.audit.record import StageTime
from kfasync.errors import LedgerError
from kfasync.ledger.history import Count, History, Line
from kfasync.ledger.ledger import FILE_NAME
from kfasync.model import Disposition, Stage
from kfasync.station.advice import CATALOGUE, OTHERWISE, Language, both, key_of
from kfasync.station.states import RESULT_OF, LaneState
from kfasync.web.day import midnight

PAGE = 50  # records on one page
FOBS = 400  # passed fobs that the times of stages are taken from: some 4 MB of records
_WAITING_MAX = 16
_REST_S = 0.2  # after each look
_REST = 9  # or as many times as long as it took


class Busy(Exception):  # noqa: N818  # it is an answer, and no fault
    """More ask at this moment than anybody who looks at a page."""


class Lines(msgspec.Struct, frozen=True):
    """One page of history; ``before`` is how the next one begins, None at the end."""

    lines: list[Line]
    before: int | None


class Share(msgspec.Struct, frozen=True):
    """One cause among the ends of attempts; ``state`` is the value of a LaneState."""

    state: str
    cause: str
    sw: str | None
    happened: str
    pieces: int


class Yield(msgspec.Struct, frozen=True):
    """What has become of fobs since a moment, in UTC; ``part`` is None before there is any."""

    since: str
    passed: int
    failed: int
    again: int
    part: float | None
    shares: list[Share]


class StageSpread(msgspec.Struct, frozen=True):
    """How long a stage takes, in ms: of half the fobs, of 95 in a hundred, of the slowest."""

    stage: str
    p50_ms: float
    p95_ms: float
    most_ms: float


class Stages(msgspec.Struct, frozen=True):
    """How long the stages of the last fobs that passed took."""

    fobs: int
    stages: list[StageSpread]


class Whole(msgspec.Struct, frozen=True):
    """A record, whole, with what happened and what to do in the station's language."""

    number: int
    happened: str
    action: str
    record: msgspec.Raw


class _Staged(msgspec.Struct):
    """As much of a record as the times take."""

    stages: tuple[StageTime, ...] = ()


class _Judged(msgspec.Struct):
    """As much of a record as its words take."""

    message: str = ""
    cause: str = ""
    disposition: str = ""
    sw: str | None = None
    operator_action: str = ""


class Past:
    """Looks at the ledger for the page.

    Args:
        directory: the data directory; the ledger may still have to come.
        language: of what happened.
    """

    def __init__(self, directory: Path, language: Language) -> None:
        self._path = directory / FILE_NAME
        self._language = language
        self._history: History | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._rested_s = 0.0

    def close(self) -> None:
        """Close the file; the next look opens it again."""
        if self._history is not None:
            self._history.close()
            self._history = None

    async def look(self, what: Callable[[History], msgspec.Struct | None]) -> bytes | None:
        """JSON of what is found; None when there is none.

        Raises:
            Busy: too many wait already.
            LedgerError: the ledger cannot be read.
        """
        if self._waiting >= _WAITING_MAX:
            raise Busy
        self._waiting += 1
        try:
            async with self._turn:
                await asyncio.sleep(self._rested_s - time.monotonic())
                began_s = time.monotonic()
                try:
                    return await asyncio.to_thread(self._look, what)
                finally:
                    now_s = time.monotonic()
                    self._rested_s = now_s + max(_REST_S, _REST * (now_s - began_s))
        finally:
            self._waiting -= 1

    def _look(self, what: Callable[[History], msgspec.Struct | None]) -> bytes | None:
        if self._history is None:
            self._history = History.open(self._path)
        try:
            found = what(self._history)
        except LedgerError:
            # Another file may have taken its place.
            self.close()
            raise
        return None if found is None else msgspec.json.encode(found)

    def lines(self, search: str, before: int | None) -> Callable[[History], Lines]:
        """The newest records, or those of fobs whose UID or FESN begins like this."""

        def look(history: History) -> Lines:
            found = history.lines(search=search, before=before, most=PAGE + 1)
            more = len(found) > PAGE
            return Lines(found[:PAGE], found[PAGE - 1].number if more else None)

        return look

    def yields(self, days: int) -> Callable[[History], Yield]:
        """What has become of fobs today, or on so many days with today."""

        def look(history: History) -> Yield:
            since = midnight(days - 1)
            shares = [self._share(one) for one in history.counts(since)]
            pieces = dict.fromkeys(("pass", "fail"), 0)
            for one in shares:
                pieces[one.state] = pieces.get(one.state, 0) + one.pieces
            passed, failed = pieces.pop("pass"), pieces.pop("fail")
            final = passed + failed
            again = sum(pieces.values())
            return Yield(since, passed, failed, again, passed / final if final else None, shares)

        return look

    @staticmethod
    def stages(history: History) -> Stages:
        """How long the stages of the last fobs that passed took."""
        took: dict[Stage, list[float]] = {stage: [] for stage in Stage}
        records = history.passed(FOBS)
        for text in records:
            for one in msgspec.json.decode(text, type=_Staged).stages:
                took[one.stage].append(one.took_us / 1000)
        return Stages(len(records), [_spread(stage, all_) for stage, all_ in took.items() if all_])

    def record(self, number: int) -> Callable[[History], Whole | None]:
        """One record; None when there is none of that number."""

        def look(history: History) -> Whole | None:
            text = history.record(number)
            if text is None:
                return None
            one = msgspec.json.decode(text, type=_Judged)
            key = key_of(one.cause, one.disposition, one.sw)
            said = both(key, one.sw, one.message, one.operator_action, self._language)
            return Whole(number, *said, msgspec.Raw(text.encode()))

        return look

    def _share(self, count: Count) -> Share:
        key = key_of(count.cause, count.disposition, count.sw)
        row = CATALOGUE.get(key, OTHERWISE)
        happened, _ = both(key, None, row.happened, "", self._language)
        state = RESULT_OF.get(Disposition(count.disposition), LaneState.RETRY)
        return Share(state.value, count.cause, count.sw, happened, count.pieces)


def _spread(stage: Stage, took_ms: list[float]) -> StageSpread:
    cuts = statistics.quantiles(took_ms, n=20, method="inclusive") if len(took_ms) > 1 else took_ms
    return StageSpread(
        stage.value,
        round(statistics.median(took_ms), 1),
        round(cuts[-1], 1),
        round(max(took_ms), 1),
    )
