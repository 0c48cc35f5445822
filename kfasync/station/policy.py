"""What an attempt's end means: for the fob, for its content, and for the lane."""

import msgspec
from msgspec.structs import replace

from kfasync.contracts.klms_problems import Problem
from kfasync.core.flow import Provisioning
from kfasync.core.status import StatusWord
from kfasync.errors import (
    HungCardError,
    KfError,
    KlmsError,
    LinkError,
    ShiftError,
    StatusWordError,
    UnprovedError,
)
from kfasync.model import ContentState, Disposition, Outcome, Stage, Touched
from kfasync.station.advice import CATALOGUE, Advice, LaneRule, of_error

IN_A_ROW = 2
LOCKED = 0x63C0  # no try is left

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
        cause = StatusWord.of(error.sw).name
        row = CATALOGUE["locked" if error.sw == LOCKED else cause]
        return _verdict(row, cause, str(error), sw=error.sw)
    if isinstance(error, LinkError):
        cause = "hung" if isinstance(error, HungCardError) else "torn"
        row = CATALOGUE[f"{cause}:{_resume(attempt.touched).value}"]
        return _verdict(row, cause, str(error), exit_code=error.exit_code)
    row, cause = of_error(error), type(error).__name__
    if not isinstance(error, KfError):
        # The text of a foreign error is not ours to vouch for: it may quote anything.
        return _verdict(row, cause, f"the attempt ended with {cause}")
    verdict = _verdict(
        row,
        cause,
        str(error),
        exit_code=error.exit_code,
        again=not isinstance(error, UnprovedError | ShiftError),
    )
    if isinstance(error, KlmsError):
        # A server newer than this may have codes, and words for them, that are in no table here.
        verdict = replace(verdict, cause=error.code, operator_action=error.operator_action)
        if error.code == Problem.UNIT_LEASED_ELSEWHERE.code:
            verdict = replace(verdict, lane=LaneRule.GOES_ON)  # it is about this fob alone
    if error.retryable:
        verdict = replace(verdict, disposition=_resume(attempt.touched), lane=LaneRule.GOES_ON)
    return verdict


def _verdict(
    row: Advice,
    cause: str,
    message: str,
    *,
    sw: int | None = None,
    exit_code: int = 1,
    again: bool = True,
) -> Verdict:
    return Verdict(
        row.disposition, cause, message, row.action, row.lane, sw, exit_code=exit_code, again=again
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
    cause = "recovered" if attempt.recovered else "pass"
    row = CATALOGUE[cause]
    return _verdict(row, cause, row.happened, exit_code=0)


def _given_up(touched: Touched) -> Verdict:
    """The station stops: a cancellation of either event loop, which is no Exception."""
    row = CATALOGUE["stopped"]
    verdict = _verdict(row, "stopped", row.happened, again=False)
    return replace(verdict, disposition=_resume(touched))


def _resume(touched: Touched) -> Disposition:
    return {
        Touched.NONE: Disposition.RETRY,
        Touched.PARTIAL: Disposition.BOUND,
        Touched.UNKNOWN: Disposition.IN_DOUBT,
    }[touched]
