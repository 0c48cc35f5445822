"""What an operator sees of a lane, and what can follow what.

    EMPTY          no fob has been here since the lane began, or its last result is over
    READING        who is it?
    LEASING        keys and content are being fetched
    WAITING        for a source that is away; taking the fob off ends it
    WRITING        command n of m; the fob must stay
    LOCKING        the last commands, from the one that moves the applet to FACTORY on
    PASS           done; the only state in which a fob may leave as good
    FAIL           not to be tried again as it is
    RETRY          nothing was written; this fob may come again, and so may another
    BOUND          half written: this fob is to come again
    IN_DOUBT       only the fob knows whether it is done; it is to come again
    READER_FAULT   the reader is gone, or cannot be used
    STOPPED        the lane takes no fob until a person resumes it

What happens, and what is shown then:

    a fob is placed           any state at rest but STOPPED -> READING, and so on to a result
    it is a reference fob     READING -> EMPTY with what was found, or FAIL
    the attempt goes on       READING -> LEASING -> WRITING -> LOCKING, and a result anywhere
    the source is away        LEASING -> WAITING -> LEASING
    the contact flickers      a result -> READING -> the same result, when no fob is found
    the fob is taken off      nothing: a result stays until the next fob is placed
    the reader goes           any state at rest but STOPPED -> READER_FAULT
    the reader is back        READER_FAULT -> what it has hidden, or READING when a fob lies there
    two of one cause, a ledger that gives way, a fault of this software
                              any state -> STOPPED
    a person resumes it       STOPPED -> what it has hidden, or READER_FAULT when its reader is gone

While a fob is worked on, news of the reader are kept and not shown: the attempt has an end of its
own, and that is a result. So there is a result for every fob that said its name, and it is shown
also when the fob has gone by then.
"""

import enum

from kfasync.model import Disposition, Stage


class LaneState(enum.Enum):
    """What an operator sees of a lane."""

    EMPTY = "empty"
    READING = "reading"
    LEASING = "leasing"
    WAITING = "waiting"
    WRITING = "writing"
    LOCKING = "locking"
    PASS = "pass"
    FAIL = "fail"
    RETRY = "retry"
    BOUND = "bound"
    IN_DOUBT = "in-doubt"
    READER_FAULT = "reader-fault"
    STOPPED = "stopped"


WORKING = frozenset(
    {
        LaneState.READING,
        LaneState.LEASING,
        LaneState.WAITING,
        LaneState.WRITING,
        LaneState.LOCKING,
    }
)
RESULTS = frozenset(
    {LaneState.PASS, LaneState.FAIL, LaneState.RETRY, LaneState.BOUND, LaneState.IN_DOUBT}
)

# What an attempt can end in, wherever it is.
_ENDS = RESULTS | {LaneState.STOPPED}
# What can follow a lane at rest: the next fob, or trouble with the reader or the lane itself.
_AT_REST = frozenset({LaneState.READING, LaneState.READER_FAULT, LaneState.STOPPED})
# What a fault or a stop has hidden and gives free again.
_HIDDEN = RESULTS | {LaneState.EMPTY}

# A state may always be told again, with other words; it is not listed under itself.
FOLLOWS: dict[LaneState, frozenset[LaneState]] = {
    LaneState.EMPTY: _AT_REST,
    # A fob that cannot be reached at all is the reader's fault until shown otherwise.
    # A reference fob that is what it should be has no result.
    LaneState.READING: _ENDS | {LaneState.LEASING, LaneState.READER_FAULT, LaneState.EMPTY},
    LaneState.LEASING: _ENDS | {LaneState.WAITING, LaneState.WRITING},
    LaneState.WAITING: _ENDS | {LaneState.LEASING},
    LaneState.WRITING: _ENDS | {LaneState.LOCKING},
    LaneState.LOCKING: _ENDS,
    **dict.fromkeys(RESULTS, _AT_REST),
    LaneState.READER_FAULT: _HIDDEN | {LaneState.READING, LaneState.STOPPED},
    LaneState.STOPPED: _HIDDEN | {LaneState.READER_FAULT},
}

# A fob that has had its turn before has not passed this time, and goes to those that failed.
RESULT_OF = {
    Disposition.PASS: LaneState.PASS,
    Disposition.RECOVERED: LaneState.PASS,
    Disposition.ALREADY_PROVISIONED: LaneState.FAIL,
    Disposition.FAIL: LaneState.FAIL,
    Disposition.RETRY: LaneState.RETRY,
    Disposition.BOUND: LaneState.BOUND,
    Disposition.IN_DOUBT: LaneState.IN_DOUBT,
    Disposition.INTERRUPTED: LaneState.BOUND,  # of a lane that was killed, so never shown
    Disposition.ERROR: LaneState.FAIL,
}

WHILE_IN = {
    Stage.READ_UID: LaneState.READING,
    Stage.FETCH_KEYS: LaneState.LEASING,
    Stage.INITIALIZE_UPDATE: LaneState.WRITING,
    Stage.EXTERNAL_AUTHENTICATE: LaneState.WRITING,
    Stage.PAYLOAD_DELIVERY: LaneState.WRITING,
    Stage.LIFECYCLE_TRANSITION: LaneState.LOCKING,
    Stage.POST_PERSONALIZATION: LaneState.LOCKING,
}
