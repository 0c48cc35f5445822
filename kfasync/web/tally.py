"""What a station has done since its start, counted in its own process.

So the counters go on where they were when the page's process is started again.
"""

from bisect import bisect_left
from collections import Counter

from kfasync.audit.record import AttemptRecord
from kfasync.ledger.latency import Commits
from kfasync.station.advice import CATALOGUE, key_of
from kfasync.web.view import STAGE_BOUNDS_S, StageTotal, Totals

# A cause that is not in the catalogue may come from outside, and of those there is no end.
OTHER = "other"


class Tally:
    """Counts attempts and the times of their stages; one thread at a time.

    Attributes:
        commits: how the ledger is doing, as it last said.
    """

    def __init__(self) -> None:
        self.commits = Commits()
        self._fobs: Counter[tuple[str, str]] = Counter()
        self._counts: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def add(self, record: AttemptRecord) -> None:
        """An attempt has ended."""
        key = key_of(record.cause, record.disposition, record.sw)
        cause = key.partition(":")[0] if key in CATALOGUE else OTHER
        self._fobs[record.disposition, cause] += 1
        for one in record.stages:
            stage, took_s = one.stage.value, one.took_us / 1e6
            counts = self._counts.setdefault(stage, [0] * (len(STAGE_BOUNDS_S) + 1))
            counts[bisect_left(STAGE_BOUNDS_S, took_s)] += 1
            self._seconds[stage] = self._seconds.get(stage, 0.0) + took_s

    def totals(self) -> Totals:
        """The counts so far."""
        return Totals(
            fobs=tuple((*labels, count) for labels, count in sorted(self._fobs.items())),
            stages=tuple(
                StageTotal(stage, tuple(counts), self._seconds[stage])
                for stage, counts in self._counts.items()
            ),
            commits=self.commits,
        )
