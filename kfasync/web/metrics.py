"""`/metrics` for Prometheus: what the station has told, when it is asked for.

No label is taken from the floor: causes are those of the catalogue, lanes are numbers. Units are
Prometheus's own, so days are seconds.
"""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from kfasync.ledger.latency import COMMIT_BOUNDS_S
from kfasync.station.states import LaneState
from kfasync.web.stream import News
from kfasync.web.view import STAGE_BOUNDS_S, Strip, Tile, Totals

CONTENT_TYPE = CONTENT_TYPE_LATEST
_DAY_S = 86400.0


class Metrics:
    """What a scraper is told.

    Args:
        news: what the station has said.
    """

    def __init__(self, news: News) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Board(news))

    def text(self) -> bytes:
        """Everything, as it stands now, of :data:`CONTENT_TYPE`."""
        return generate_latest(self._registry)


class _Board(Collector):
    """Reads the board at each scrape."""

    def __init__(self, news: News) -> None:
        self._news = news

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "kfasync_station_up",
            "Whether the station speaks to the page (1) or has gone or hangs (0); with 0 all else "
            "is as it was last told.",
            self._news.hears,
        )
        board = self._news.board.since("", 0)
        yield _fobs(board.totals or Totals())
        yield _stages(board.totals or Totals())
        yield _lanes(board.tiles)
        if board.strip is not None and board.strip.since:  # else nobody has looked yet
            yield _commits(board.totals or Totals())
            yield from _strip(board.strip)


def _fobs(totals: Totals) -> Metric:
    fobs = CounterMetricFamily(
        "kfasync_fobs",
        "Attempts on fobs that have ended since the station was started, by outcome and cause; a "
        "fob that is placed again counts again.",
        labels=("outcome", "cause"),
    )
    for outcome, cause, count in totals.fobs:
        fobs.add_metric((outcome, cause), count)
    return fobs


def _commits(totals: Totals) -> Metric:
    commits = HistogramMetricFamily(
        "kfasync_ledger_commit_seconds",
        "How long a writer of the ledger waited until what it wrote was on disk, with the time in "
        "the queue.",
    )
    commits.add_metric((), _buckets(COMMIT_BOUNDS_S, totals.commits.counts), totals.commits.seconds)
    return commits


def _buckets(bounds: tuple[float, ...], counts: tuple[int, ...]) -> list[tuple[str, float]]:
    """As Prometheus has them: each with all that are smaller."""
    return list(zip([*map(str, bounds), "+Inf"], map(float, accumulate(counts)), strict=True))


def _stages(totals: Totals) -> Metric:
    stages = HistogramMetricFamily(
        "kfasync_stage_seconds",
        "How long a stage of an attempt took; FetchKeys is the wait for the lease.",
        labels=("stage",),
    )
    for one in totals.stages:
        stages.add_metric((one.stage,), _buckets(STAGE_BOUNDS_S, one.counts), one.seconds)
    return stages


def _lanes(tiles: tuple[Tile, ...]) -> Metric:
    lanes = GaugeMetricFamily(
        "kfasync_lane_state",
        "1 for the state that a lane is in, 0 for the others.",
        labels=("lane", "state"),
    )
    for tile in tiles:
        for state in LaneState:
            lanes.add_metric((str(tile.slot), state.value), state.value == tile.state)
    return lanes


def _strip(strip: Strip) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "kfasync_source_up", "0 while a lane waits for a source that is away.", strip.source
    )
    if strip.content is not None:
        yield GaugeMetricFamily(
            "kfasync_content_left",
            "Containers that are free; absent where the key server keeps the pool.",
            strip.content,
        )
    if strip.certificate_d is not None:
        yield GaugeMetricFamily(
            "kfasync_certificate_left_seconds",
            "Until the station's certificate for the key server expires, in whole days.",
            strip.certificate_d * _DAY_S,
        )
    yield GaugeMetricFamily(
        "kfasync_outbox_depth", "Ends of attempts that the source has not heard yet.", strip.outbox
    )
    yield GaugeMetricFamily(
        "kfasync_open_recoveries", "Fobs that are half written and to be placed again.", strip.open
    )
