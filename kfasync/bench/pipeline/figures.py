"""What was measured: one entry for every fob, and what follows from all of them."""

from collections.abc import Iterable, Sequence
from math import ceil

import msgspec

from kfasync.bench.pipeline.requests import Request
from kfasync.model import Stage

PLACED = "Placed"  # from the fob on the reader to the first command
RESULT = "Result"  # from the end of the last stage to the result that is shown
FOB = "Fob"  # all of it


class Span(msgspec.Struct, frozen=True):
    """One stage of one fob: all of its time, and the part spent in exchanges with the card."""

    stage: str
    took_s: float
    card_s: float = 0.0


class FobTimes(msgspec.Struct, frozen=True, kw_only=True):
    """One fob.

    Attributes:
        placed_s: when it was on the reader, on the monotonic clock; with a virtual reader of pcscd
            when that told of it.
        latched_s: when its result stood there.
        model_s: the card time that the timing model says.
        opening_s: the part of it before any content is needed, the UID already known.
        card_s: the same by the clock, around each exchange.
        fault: why it did not pass; empty when it did.
    """

    reader: str
    uid: str
    placed_s: float
    latched_s: float
    model_s: float
    opening_s: float = 0.0
    card_s: float
    spans: tuple[Span, ...]
    fault: str = ""

    @property
    def lane_s(self) -> float:
        """Lane time: from the moment it was on the reader to its latched result."""
        return self.latched_s - self.placed_s


class StageFigures(msgspec.Struct, frozen=True):
    """What a stage takes, over all fobs; card_p50_ms is the card's part of it."""

    p50_ms: float
    p99_ms: float
    max_ms: float
    card_p50_ms: float


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """Under what a run was measured; card_ms is None with the timing of NFC.

    The rest as `kfasync.bench.pipeline.run.Plan` has it.
    """

    lanes: int
    fobs: int
    card_ms: float | None
    seed: int
    loop: str
    crypto_path: str
    source: str = "containers"
    klms_ms: int = 0
    commit_ms: int = 0
    announce: bool = False
    prefetch: bool = True
    disorder: bool = False
    pcscd: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        requests: what the source was asked meanwhile, warming up included.
        cpu_s: of the process while it had fobs, without simulated fobs and without the display.
        peak_rss_mb: None where the system does not say.
    """

    conditions: Conditions
    fobs: tuple[FobTimes, ...]
    requests: tuple[Request, ...] = ()
    cpu_s: float
    peak_rss_mb: float | None

    @property
    def passed(self) -> int:
        """Fobs that passed, by the station and by their own count."""
        return sum(not fob.fault for fob in self.fobs)

    @property
    def failed(self) -> int:
        """All others."""
        return len(self.fobs) - self.passed

    @property
    def elapsed_s(self) -> float:
        """From the first fob that was placed to the last result."""
        first = min(fob.placed_s for fob in self.fobs)
        return max(fob.latched_s for fob in self.fobs) - first

    @property
    def fobs_per_hour(self) -> float:
        """Fobs that passed, over the whole run."""
        return 3600 * self.passed / self.elapsed_s

    @property
    def efficiency(self) -> float:
        """Card time by the timing model over lane time."""
        return sum(fob.model_s for fob in self.fobs) / self._lane_s

    @property
    def efficiency_measured(self) -> float:
        """Card time by the clock over lane time."""
        return sum(fob.card_s for fob in self.fobs) / self._lane_s

    @property
    def bound(self) -> float:
        """The most that either could be: all is free but what of a lease the card cannot hide.

        All of it where leases are asked for when they are needed; what SELECT and INITIALIZE
        UPDATE do not cover where they are asked for with the UID; nothing of announced fobs.
        """
        under = self.conditions
        if under.source == "containers" or under.announce:
            return 1.0
        hidden = [fob.opening_s if under.prefetch else 0.0 for fob in self.fobs]
        waits_s = sum(max(0.0, under.klms_ms / 1000 - one) for one in hidden)
        card_s = sum(fob.model_s for fob in self.fobs)
        return card_s / (card_s + waits_s) if card_s else 0.0

    @property
    def klms_wait(self) -> StageFigures | None:
        """What a lane spends until it has its lease and has entered it; None without a server."""
        if self.conditions.source == "containers":
            return None
        return self.stages().get(Stage.FETCH_KEYS.value)

    @property
    def cpu_ms_per_fob(self) -> float:
        """What one fob costs the station."""
        return 1000 * self.cpu_s / len(self.fobs)

    @property
    def model_ms(self) -> float:
        """Card time of the fob in the middle, by the timing model."""
        return 1000 * percentile(50, [fob.model_s for fob in self.fobs])

    def stages(self) -> dict[str, StageFigures]:
        """Every stage in the order of a fob's way, and the whole fob at the end."""
        spans: dict[str, list[Span]] = {}
        for fob in self.fobs:
            for span in (*fob.spans, Span(FOB, fob.lane_s, fob.card_s)):
                spans.setdefault(span.stage, []).append(span)
        names = [*(name for name in spans if name not in (RESULT, FOB)), RESULT, FOB]
        return {name: _over(spans[name]) for name in names if name in spans}

    @property
    def _lane_s(self) -> float:
        return sum(fob.lane_s for fob in self.fobs)


def percentile(share: float, values: Sequence[float]) -> float:
    """The smallest value that ``share`` percent of all are not above."""
    return sorted(values)[max(0, ceil(len(values) * share / 100) - 1)]


def _over(spans: Iterable[Span]) -> StageFigures:
    spans = tuple(spans)
    took = [1000 * span.took_s for span in spans]
    card = [1000 * span.card_s for span in spans]
    return StageFigures(percentile(50, took), percentile(99, took), max(took), percentile(50, card))
