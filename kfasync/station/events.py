"""What a lane tells the world while it works."""

import enum

import msgspec

from kfasync.audit.record import AttemptRecord
from kfasync.model import Stage


class LaneState(enum.Enum):
    """What an operator sees of a lane."""

    EMPTY = "empty"
    WORKING = "working"
    DONE = "done"
    READER_FAULT = "reader-fault"
    STOPPED = "stopped"


class LaneEvent(msgspec.Struct, frozen=True, kw_only=True):
    """News of one lane; sent from whatever thread it happens in.

    ``step`` of ``steps`` commands have been sent (steps is 0 while nobody knows); ``record``
    comes with DONE, ``message`` with READER_FAULT and STOPPED.
    """

    slot: int
    reader: str
    state: LaneState
    stage: Stage | None = None
    step: int = 0
    steps: int = 0
    uid: str = ""
    message: str = ""
    record: AttemptRecord | None = None
