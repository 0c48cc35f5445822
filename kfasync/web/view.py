"""What the page is told: plain facts without a secret, from the station to every browser."""

import msgspec

from kfasync.ledger.latency import Commits
from kfasync.station.batch import Check

# Upper bounds of the buckets that the times of stages are counted in.
STAGE_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Words(msgspec.Struct, frozen=True):
    """What became of a fob, in the station's language.

    Attributes:
        do: what to do now, the value of a :class:`kfasync.station.advice.Do`.
        code: the status word, or the name of the cause.
    """

    happened: str = ""
    action: str = ""
    do: str = ""
    code: str = ""


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """How one lane stands.

    Attributes:
        seq: when that was told; see :class:`kfasync.web.board.Board`.
        state: the value of a :class:`kfasync.station.states.LaneState`.
        step, steps: commands sent so far, of how many; steps is 0 while nobody knows.
        message: why, with a lane that waits, is stopped or has lost its reader.
        words: with a result, for as long as it is shown.
        there: whether the fob lies on the reader.
        seen: whether a person has acknowledged the result.
    """

    seq: int = 0
    slot: int
    reader: str
    state: str
    uid: str = ""
    fesn: str = ""
    attempt: str = ""
    step: int = 0
    steps: int = 0
    message: str = ""
    words: Words = Words()
    there: bool = False
    seen: bool = False


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt ended; told once to each browser, and kept for those that were cut off."""

    seq: int = 0
    at: str
    slot: int
    state: str
    uid: str
    fesn: str
    words: Words = Words()


class Strip(msgspec.Struct, frozen=True, kw_only=True):
    """The line's figures. None is for what is not known, and is not shown.

    Attributes:
        since: midnight of this place, from which passed, failed and again are counted (UTC).
        hour: fobs that have passed in the last hour.
        takt_s: seconds from one passed fob to the next, all lanes together, of the last ones.
        yield_all, yield_50: passed among the final results of today, and of the last 50.
        content: containers that are free, where this station keeps the pool.
        content_h: hours that they last at the pace of the last hour.
        source: whether the source answers.
        certificate_d: days left of the station's certificate for the key server.
        outbox: ends that the source has not heard yet.
        open: fobs that are half written and to be placed again.
        problems: what followers and sources have to say.
        checks: the check list; empty where no batch waits for it.
    """

    since: str = ""
    passed: int = 0
    failed: int = 0
    again: int = 0
    hour: int = 0
    takt_s: float | None = None
    yield_all: float | None = None
    yield_50: float | None = None
    content: int | None = None
    content_h: float | None = None
    source: bool = True
    certificate_d: int | None = None
    outbox: int = 0
    open: int = 0
    problems: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()


class StageTotal(msgspec.Struct, frozen=True):
    """The times of one stage.

    Attributes:
        stage: the value of a :class:`kfasync.model.Stage`.
        counts: how many in each bucket of :data:`STAGE_BOUNDS_S`, and how many took longer.
        seconds: all of them together.
    """

    stage: str
    counts: tuple[int, ...]
    seconds: float


class Totals(msgspec.Struct, frozen=True):
    """Counts since the start of the station, for ``/metrics``.

    Attributes:
        fobs: attempts that have ended: disposition, cause, how many.
        commits: how long writers of the ledger have waited for the disk.
    """

    fobs: tuple[tuple[str, str, int], ...] = ()
    stages: tuple[StageTotal, ...] = ()
    commits: Commits = Commits()


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """What has changed since a number, up to ``seq``.

    Attributes:
        epoch: names the run of the station that counts.
        whole: it is everything: what was known before is forgotten.
        totals: for the page's process; browsers are not told.
    """

    epoch: str
    seq: int
    whole: bool = False
    tiles: tuple[Tile, ...] = ()
    results: tuple[Result, ...] = ()
    strip: Strip | None = None
    totals: Totals | None = None
