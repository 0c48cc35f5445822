"""What the line has done today and lately, counted on across a restart of the station."""

import datetime
import statistics
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from itertools import pairwise

from kfasync.ledger.history import End
from kfasync.model import Disposition
from kfasync.station.states import RESULT_OF, LaneState

RECENT = 500  # ends that are looked at for the last finals, where today has fewer
_FINAL_KEPT = 50
_PASSES_KEPT = 21  # of which the 20 intervals make the takt
# Since the last fob: what is slower than this is a pause, and no takt.
_PAUSE_S = 300.0
_HOUR_MIN = 60


class Day:
    """Counts results by the wall clock; a new day begins at midnight of this place.

    It takes no more memory after a month than after an hour. One thread at a time.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._today = self._date(clock())
        self._counts: Counter[LaneState] = Counter()
        self._minutes: Counter[int] = Counter()  # passed in each minute of the last hour
        self._final: deque[bool] = deque(maxlen=_FINAL_KEPT)
        self._passes: deque[float] = deque(maxlen=_PASSES_KEPT)

    def remember(self, ends: Iterable[End]) -> None:
        """Take in what had ended before, oldest first."""
        for end in ends:
            at_s = datetime.datetime.fromisoformat(end.finished).timestamp()
            self.add(RESULT_OF[Disposition(end.disposition)], at_s)

    def add(self, state: LaneState, at_s: float | None = None) -> None:
        """An attempt has ended, now or then."""
        self._turn()
        at_s = self._clock() if at_s is None else at_s
        if self._date(at_s) == self._today:
            self._counts[state] += 1
        if state in (LaneState.PASS, LaneState.FAIL):
            self._final.append(state is LaneState.PASS)
        if state is LaneState.PASS:
            self._passes.append(at_s)
            self._minutes[int(at_s // 60)] += 1

    @property
    def passed(self) -> int:
        """Fobs that have passed today."""
        self._turn()
        return self._counts[LaneState.PASS]

    @property
    def failed(self) -> int:
        """Fobs that have failed for good today."""
        self._turn()
        return self._counts[LaneState.FAIL]

    @property
    def again(self) -> int:
        """Attempts of today after which the fob is to come again."""
        self._turn()
        return self._counts.total() - self.passed - self.failed

    @property
    def part(self) -> float | None:
        """Of today's final results those that passed; None before there is any."""
        final = self.passed + self.failed
        return round(self.passed / final, 4) if final else None

    @property
    def part_of_last(self) -> float | None:
        """The same of the last 50, whatever day they are of."""
        return round(sum(self._final) / len(self._final), 4) if self._final else None

    @property
    def hour(self) -> int:
        """How many passed in the last hour, to a minute."""
        first = int(self._clock() // 60) - _HOUR_MIN + 1
        for minute in [one for one in self._minutes if one < first]:
            del self._minutes[minute]
        return self._minutes.total()

    @property
    def takt_s(self) -> float | None:
        """Seconds from one passed fob to the next, all lanes together, without pauses."""
        gaps = [later - one for one, later in pairwise(self._passes) if 0 <= later - one < _PAUSE_S]
        return round(statistics.mean(gaps), 1) if gaps else None

    def _turn(self) -> None:
        today = self._date(self._clock())
        if today != self._today:
            self._today = today
            self._counts.clear()

    @staticmethod
    def _date(at_s: float) -> datetime.date:
        return datetime.datetime.fromtimestamp(at_s).astimezone().date()


def midnight(days: int = 0) -> str:
    """When today began at this place, or so many days before, in UTC by RFC 3339."""
    local = datetime.datetime.now().astimezone() - datetime.timedelta(days=days)
    # The offset anew: it may have been another one at that midnight.
    began = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None).astimezone()
    return began.astimezone(datetime.UTC).isoformat(timespec="seconds")


def longest_day() -> str:
    """A moment that no day of today began before, nor the last hour, in UTC by RFC 3339."""
    before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=26)
    return before.isoformat(timespec="seconds")
