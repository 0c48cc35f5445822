"""What an attempt's end means: for the fob, for its content, and for the lane."""

import msgspec

from kfasync.core.flow import Provisioning
from kfasync.core.status import LaneRule, StatusWord, advise
from kfasync.errors import (
    AlreadyProvisionedError,
    AnswerFormatError,
    CapabilityError,
    ChannelError,
    CryptogramError,
    HungCardError,
    IdentityError,
    KeyCheckError,
    KfError,
    KlmsError,
    LedgerError,
    LinkError,
    ReaderError,
    SourceError,
    StatusWordError,
    TrustError,
    UnitError,
    UnprovedError,
)
from kfasync.model import ContentState, Disposition, Outcome, Stage, Touched

IN_A_ROW = 2

_HALT_KEYS = "Stop. Put the fob aside for review; have the key set checked."
_HALT_PROFILE = "Stop. Put the fob aside; have the card profile checked."
_REVIEW = "Put the fob aside for review."
_OTHERWISE = (Disposition.ERROR, _REVIEW, LaneRule.GOES_ON)

_OUTCOMES = {
    Disposition.PASS: Outcome.PASS,
    Disposition.RECOVERED: Outcome.PASS,
    Disposition.FAIL: Outcome.FAIL,
    Disposition.RETRY: Outcome.INCOMPLETE,
    Disposition.BOUND: Outcome.INCOMPLETE,
    Disposition.IN_DOUBT: Outcome.INCOMPLETE,
    Disposition.INTERRUPTED: Outcome.INCOMPLETE,
    Disposition.ALREADY_PROVISIONED: Outcome.FAIL,
    Disposition.ERROR: Outcome.ERROR,
}
_WRITING = (Stage.PAYLOAD_DELIVERY, Stage.LIFECYCLE_TRANSITION, Stage.POST_PERSONALIZATION)


class Verdict(msgspec.Struct, frozen=True):
    """The end of one attempt. ``cause`` is what counts for two in a row."""

    disposition: Disposition
    cause: str
    message: str
    operator_action: str
    lane: LaneRule
    sw: int | None = None
    exit_code: int = 1
    again: bool = True  # whether the fob may be tried again at once, if it may be at all

    @property
    def outcome(self) -> Outcome:
        """The disposition in one word."""
        return _OUTCOMES[self.disposition]


def judge(attempt: Provisioning, error: BaseException | None) -> Verdict:
    """The verdict on an attempt that ended with this error, or with none."""
    if error is None:
        return _passed(attempt)
    if not isinstance(error, Exception):
        return _given_up(attempt.touched)
    if isinstance(error, StatusWordError):
        advice = advise(error.sw)
        return Verdict(
            advice.disposition,
            StatusWord.of(error.sw).name,
            str(error),
            advice.operator_action,
            advice.lane,
            sw=error.sw,
        )
    if isinstance(error, LinkError):
        return _torn(attempt.touched, error)
    if isinstance(error, UnprovedError):
        return Verdict(
            Disposition.IN_DOUBT,
            type(error).__name__,
            str(error),
            "Put the fob aside and call the line lead: `kfasync ledger resolve` decides.",
            LaneRule.GOES_ON,
            again=False,
        )
    disposition, action, lane = next(
        (row for kind, row in _TABLE if isinstance(error, kind)), _OTHERWISE
    )
    if isinstance(error, KfError) and error.retryable:
        disposition, lane = _resume(attempt.touched), LaneRule.GOES_ON
    known, cause = isinstance(error, KfError), type(error).__name__
    if isinstance(error, KlmsError):
        # One table says it for both sides: kfasync/contracts/klms_problems.py.
        cause, action = error.code, error.operator_action
    return Verdict(
        disposition,
        cause,
        # The text of a foreign error is not ours to vouch for: it may quote anything.
        str(error) if known else f"the attempt ended with {type(error).__name__}",
        action,
        lane,
        exit_code=error.exit_code if isinstance(error, KfError) else 1,
    )


def settle(attempt: Provisioning, disposition: Disposition) -> ContentState:
    """What becomes of the leased content."""
    if disposition in (Disposition.PASS, Disposition.RECOVERED):
        return ContentState.CONSUMED
    if attempt.touched is Touched.NONE:
        return ContentState.FREE
    if disposition is Disposition.FAIL and attempt.stage in _WRITING:
        return ContentState.QUARANTINED
    # Bound, in doubt, or stopped before this attempt wrote anything: the fob may come again.
    return ContentState.BURNED


class Guard:
    """Stops a lane before a wrong key set or profile has gone through a batch.

    Two fobs in a row with one cause stop it, and the same fob placed twice counts as two:
    each placing may cost the fob a try.
    """

    def __init__(self) -> None:
        self._cause = ""
        self._count = 0

    def stops(self, verdict: Verdict) -> bool:
        """Take the next verdict in, and say whether the lane stops."""
        if verdict.lane is LaneRule.STOPS:
            return True
        if verdict.lane is LaneRule.GOES_ON:
            # Another fob's torn contact does not make the keys right; only a pass does.
            if verdict.outcome is Outcome.PASS:
                self._cause, self._count = "", 0
            return False
        self._count = self._count + 1 if verdict.cause == self._cause else 1
        self._cause = verdict.cause
        return self._count >= IN_A_ROW


def _passed(attempt: Provisioning) -> Verdict:
    if not attempt.factory or attempt.stage is not Stage.POST_PERSONALIZATION:
        raise ValueError(f"an attempt that ended in {attempt.stage.value} has not passed")
    action = "Take the fob and place the next."
    if attempt.recovered:
        message = "provisioned: an earlier attempt had reached FACTORY, the rest is done now"
        return Verdict(
            Disposition.RECOVERED, "recovered", message, action, LaneRule.GOES_ON, exit_code=0
        )
    return Verdict(Disposition.PASS, "pass", "provisioned", action, LaneRule.GOES_ON, exit_code=0)


def _torn(touched: Touched, error: LinkError) -> Verdict:
    cause = "hung" if isinstance(error, HungCardError) else "torn"
    disposition = _resume(touched)
    action = {
        Disposition.RETRY: "Place the same fob again, or another one.",
        Disposition.BOUND: "Place the same fob again: its content belongs to it and to no other.",
        Disposition.IN_DOUBT: "Place the same fob again: only the fob knows whether it is done.",
    }[disposition]
    return Verdict(
        disposition, cause, str(error), action, LaneRule.GOES_ON, exit_code=error.exit_code
    )


def _given_up(touched: Touched) -> Verdict:
    """The station stops: a cancellation of either event loop, which is no Exception."""
    return Verdict(
        _resume(touched),
        "stopped",
        "the station was stopped before this fob was written to",
        "Place the same fob again when the station runs again.",
        LaneRule.GOES_ON,
        again=False,
    )


def _resume(touched: Touched) -> Disposition:
    return {
        Touched.NONE: Disposition.RETRY,
        Touched.PARTIAL: Disposition.BOUND,
        Touched.UNKNOWN: Disposition.IN_DOUBT,
    }[touched]


# In this order: a class stands before those it derives from. What is not here is an error,
# never a pass.
_TABLE: tuple[tuple[type[BaseException], tuple[Disposition, str, LaneRule]], ...] = (
    (
        AlreadyProvisionedError,
        (
            Disposition.ALREADY_PROVISIONED,
            "Take the fob away: it is done, and nothing was sent to it.",
            LaneRule.GOES_ON,
        ),
    ),
    (
        UnitError,
        (
            Disposition.FAIL,
            "Put the fob to the failed ones: nothing was sent to it.",
            LaneRule.GOES_ON,
        ),
    ),
    (CryptogramError, (Disposition.FAIL, _HALT_KEYS, LaneRule.STOPS_AFTER_TWO)),
    (KeyCheckError, (Disposition.FAIL, _HALT_KEYS, LaneRule.STOPS_AFTER_TWO)),
    (CapabilityError, (Disposition.FAIL, _HALT_PROFILE, LaneRule.STOPS_AFTER_TWO)),
    (ChannelError, (Disposition.ERROR, _REVIEW, LaneRule.STOPS_AFTER_TWO)),
    (AnswerFormatError, (Disposition.ERROR, _HALT_PROFILE, LaneRule.STOPS_AFTER_TWO)),
    (IdentityError, (Disposition.ERROR, _HALT_PROFILE, LaneRule.STOPS_AFTER_TWO)),
    (
        TrustError,
        (
            Disposition.ERROR,
            "Keep the fob: it was not written. Have the certificates looked at.",
            LaneRule.STOPS_AFTER_TWO,
        ),
    ),
    (
        SourceError,
        (
            Disposition.ERROR,
            "Keep the fob: it was not written. Have the source of the content looked at.",
            LaneRule.STOPS_AFTER_TWO,
        ),
    ),
    (
        LedgerError,
        (
            Disposition.ERROR,
            "Stop. Put the fob aside; have the ledger looked at.",
            LaneRule.STOPS,
        ),
    ),
    (
        ReaderError,
        (
            Disposition.ERROR,
            "Keep the fob: it was not written. Have the reader looked at.",
            LaneRule.GOES_ON,
        ),
    ),
)
