"""What a lane tells the world while it works."""

import msgspec

from kfasync.audit.record import AttemptRecord
from kfasync.contracts.cards import News
from kfasync.model import Stage
from kfasync.station.states import LaneState


class LaneEvent(msgspec.Struct, frozen=True, kw_only=True):
    """News of one lane; sent from whatever thread it happens in.

    Attributes:
        slot: the lane's number, from 1; it is the reader's, however often that comes and goes.
        since_s: when the lane came into this state, on ``time.monotonic``.
        news: how the reader stands: a result is shown for longer than its fob lies there.
        attempt: names the attempt in records and logs; "" where there is none.
        step, steps: commands sent so far, of how many; steps is 0 while nobody knows.
        message: why, with WAITING, READER_FAULT and STOPPED; in English.
        cause, sw: the row of the catalogue of advice, and the status word, for another language.
        record: comes with a result, once.
    """

    slot: int
    reader: str
    state: LaneState
    since_s: float = 0.0
    news: News = News.GONE
    attempt: str = ""
    stage: Stage | None = None
    step: int = 0
    steps: int = 0
    uid: str = ""
    message: str = ""
    cause: str = ""
    sw: str | None = None
    record: AttemptRecord | None = None
