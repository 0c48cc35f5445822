"""What an attempt's end means, row by row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.core.flow import Provisioning
from kfasync.core.profile import CardProfile
from kfasync.crypto.choose import choose
from kfasync.errors import (
    AlreadyProvisionedError,
    AnswerFormatError,
    CapabilityError,
    ChannelError,
    CryptogramError,
    HungCardError,
    IdentityError,
    KeyCheckError,
    KlmsError,
    LeaseExpiredError,
    LedgerError,
    LinkError,
    ReaderError,
    ResponseMacError,
    SourceError,
    SourceUnavailableError,
    StatusWordError,
    TrustError,
    UnitError,
    UnitRejectedError,
)
from kfasync.model import ContentState, Disposition, Outcome, Stage, Touched
from kfasync.station.advice import LaneRule
from kfasync.station.policy import Guard, Verdict, judge, settle

UID, FETCH = Stage.READ_UID, Stage.FETCH_KEYS
INIT, AUTH = Stage.INITIALIZE_UPDATE, Stage.EXTERNAL_AUTHENTICATE
STORE, LAST = Stage.PAYLOAD_DELIVERY, Stage.LIFECYCLE_TRANSITION
POST = Stage.POST_PERSONALIZATION
NONE, PARTIAL, UNKNOWN = Touched.NONE, Touched.PARTIAL, Touched.UNKNOWN
FREE, BURNED = ContentState.FREE, ContentState.BURNED
CONSUMED, QUARANTINED = ContentState.CONSUMED, ContentState.QUARANTINED
FAIL, ERROR, RETRY = Disposition.FAIL, Disposition.ERROR, Disposition.RETRY
BOUND, IN_DOUBT = Disposition.BOUND, Disposition.IN_DOUBT
ON, TWO, STOP = LaneRule.GOES_ON, LaneRule.STOPS_AFTER_TWO, LaneRule.STOPS


def sw(value: int) -> StatusWordError:
    return StatusWordError(value, "refused")


def ended(stage: Stage, touched: Touched = NONE) -> Provisioning:
    attempt = Provisioning(CardProfile(), choose(), atr=b"", host_challenge=bytes(8))
    attempt.stage, attempt.touched = stage, touched
    return attempt


TABLE = [
    # keys: never retried, two in a row stop the lane
    (INIT, NONE, sw(0x6982), FAIL, TWO, FREE),
    (AUTH, NONE, sw(0x6982), FAIL, TWO, FREE),
    (INIT, NONE, sw(0x6983), FAIL, TWO, FREE),
    (AUTH, NONE, sw(0x6300), FAIL, TWO, FREE),
    (AUTH, NONE, sw(0x63C0), FAIL, TWO, FREE),
    (AUTH, NONE, sw(0x63C7), FAIL, TWO, FREE),
    (INIT, NONE, CryptogramError("x"), FAIL, TWO, FREE),
    (FETCH, NONE, KeyCheckError("x"), FAIL, TWO, FREE),
    (AUTH, PARTIAL, CryptogramError("x"), FAIL, TWO, BURNED),
    (AUTH, UNKNOWN, sw(0x6982), FAIL, TWO, BURNED),
    # profile or applet
    *((STORE, PARTIAL, sw(word), FAIL, TWO, QUARANTINED) for word in (0x6A86, 0x6700, 0x6A80)),
    *((INIT, NONE, sw(word), FAIL, TWO, FREE) for word in (0x6D00, 0x6E00, 0x6A82, 0x6A88)),
    (INIT, NONE, CapabilityError("x"), FAIL, TWO, FREE),
    (LAST, UNKNOWN, sw(0x6A80), FAIL, TWO, QUARANTINED),
    (POST, UNKNOWN, sw(0x6A80), FAIL, TWO, QUARANTINED),
    (STORE, PARTIAL, sw(0x6985), FAIL, TWO, QUARANTINED),
    # the card is broken
    (STORE, PARTIAL, sw(0x6581), FAIL, ON, QUARANTINED),
    (STORE, PARTIAL, sw(0x6A84), FAIL, ON, QUARANTINED),
    (INIT, NONE, sw(0x6581), FAIL, ON, FREE),
    # torn from the field
    (UID, NONE, LinkError("x"), RETRY, ON, FREE),
    (AUTH, NONE, LinkError("x"), RETRY, ON, FREE),
    (STORE, PARTIAL, LinkError("x"), BOUND, ON, BURNED),
    (STORE, PARTIAL, HungCardError("x"), BOUND, ON, BURNED),
    (INIT, PARTIAL, LinkError("x"), BOUND, ON, BURNED),
    (LAST, UNKNOWN, LinkError("x"), IN_DOUBT, ON, BURNED),
    (POST, UNKNOWN, LinkError("x"), IN_DOUBT, ON, BURNED),
    # the source
    (FETCH, NONE, SourceError("x"), ERROR, TWO, FREE),
    (FETCH, PARTIAL, SourceError("x"), ERROR, TWO, BURNED),
    (FETCH, NONE, TrustError("x"), ERROR, TWO, FREE),
    (FETCH, NONE, KlmsError("pool-empty", "x", "Stop."), ERROR, TWO, FREE),
    (FETCH, NONE, SourceUnavailableError("x"), RETRY, ON, FREE),
    (AUTH, NONE, LeaseExpiredError("x"), RETRY, ON, FREE),
    (FETCH, PARTIAL, SourceUnavailableError("x"), BOUND, ON, BURNED),
    # this UID has had its turn
    (UID, NONE, AlreadyProvisionedError("x"), Disposition.ALREADY_PROVISIONED, ON, FREE),
    (UID, NONE, UnitRejectedError("x"), FAIL, ON, FREE),
    (UID, NONE, UnitError("x"), FAIL, ON, FREE),
    # nobody knows: never a pass
    (STORE, PARTIAL, ChannelError("x"), ERROR, TWO, BURNED),
    (STORE, PARTIAL, ResponseMacError("x"), ERROR, TWO, BURNED),
    (INIT, NONE, AnswerFormatError("x"), ERROR, TWO, FREE),
    (UID, NONE, IdentityError("x"), ERROR, TWO, FREE),
    (STORE, PARTIAL, LedgerError("x"), ERROR, STOP, BURNED),
    (UID, NONE, ReaderError("x"), ERROR, ON, FREE),
    (STORE, PARTIAL, sw(0x6F00), FAIL, ON, QUARANTINED),
    (STORE, PARTIAL, sw(0x1234), ERROR, ON, BURNED),
    (STORE, PARTIAL, RuntimeError("x"), ERROR, ON, BURNED),
    (UID, NONE, KeyboardInterrupt(), RETRY, ON, FREE),
]


def test_what_a_key_server_says_is_the_cause_and_what_the_operator_reads() -> None:
    verdict = judge(ended(FETCH, NONE), KlmsError("pool-empty", "no content", "Stop."))
    assert (verdict.cause, verdict.message) == ("pool-empty", "no content")
    assert verdict.operator_action == "Stop."
    assert verdict.exit_code == 3
    assert verdict.lane is TWO
    of_this_fob = KlmsError("unit-leased-elsewhere", "another station has it", "Aside.")
    assert judge(ended(FETCH, NONE), of_this_fob).lane is ON


OUTCOMES = {
    FAIL: Outcome.FAIL,
    Disposition.ALREADY_PROVISIONED: Outcome.FAIL,
    ERROR: Outcome.ERROR,
    RETRY: Outcome.INCOMPLETE,
    BOUND: Outcome.INCOMPLETE,
    IN_DOUBT: Outcome.INCOMPLETE,
}


@pytest.mark.parametrize(("stage", "touched", "error", "disposition", "lane", "content"), TABLE)
def test_an_end_means_what_the_table_says(
    stage: Stage,
    touched: Touched,
    error: BaseException,
    disposition: Disposition,
    lane: LaneRule,
    content: ContentState,
) -> None:
    attempt = ended(stage, touched)
    verdict = judge(attempt, error)
    assert (verdict.disposition, verdict.lane) == (disposition, lane)
    assert verdict.outcome is OUTCOMES[disposition]
    assert verdict.operator_action
    assert verdict.message
    assert verdict.exit_code != 0
    assert settle(attempt, verdict.disposition) is content


@pytest.mark.parametrize(("recovered", "name"), [(False, "pass"), (True, "recovered")])
def test_only_a_fob_in_factory_at_its_last_stage_passes(recovered: bool, name: str) -> None:
    attempt = ended(POST, UNKNOWN)
    attempt.factory, attempt.recovered = True, recovered
    verdict = judge(attempt, None)
    assert (verdict.disposition.value, verdict.outcome) == (name, Outcome.PASS)
    assert (verdict.exit_code, verdict.lane) == (0, ON)
    assert verdict.operator_action
    assert settle(attempt, verdict.disposition) is CONSUMED


@pytest.mark.parametrize("stage", Stage)
def test_an_end_without_error_before_factory_is_a_fault_of_ours(stage: Stage) -> None:
    with pytest.raises(ValueError, match="has not passed"):
        judge(ended(stage), None)


def test_the_text_of_a_foreign_error_is_not_repeated() -> None:
    verdict = judge(ended(UID), RuntimeError("8b4b8d7ec45dfa50"))
    assert "8b4b" not in verdict.message
    assert verdict.cause == "RuntimeError"


# ---------------------------------------------------------------------------------- status words


@pytest.mark.parametrize(
    ("sw", "disposition", "lane"),
    [
        (0x9000, Disposition.PASS, ON),
        # Keys: a wrong key set fails every fob.
        (0x6982, FAIL, TWO),
        (0x6983, FAIL, TWO),
        (0x6300, FAIL, TWO),
        (0x63C0, FAIL, TWO),
        (0x63C1, FAIL, TWO),
        (0x63CF, FAIL, TWO),
        (0x6988, FAIL, TWO),
        # Profile or applet: so does a wrong profile.
        (0x6A86, FAIL, TWO),
        (0x6700, FAIL, TWO),
        (0x6A80, FAIL, TWO),
        (0x6D00, FAIL, TWO),
        (0x6E00, FAIL, TWO),
        (0x6A82, FAIL, TWO),
        (0x6A88, FAIL, TWO),
        (0x6C10, FAIL, TWO),
        (0x6110, FAIL, TWO),
        # Personalized before: a tray of these would use up a container each.
        (0x6985, FAIL, TWO),
        # One card is broken; the next one is another card.
        (0x6581, FAIL, ON),
        (0x6A84, FAIL, ON),
        (0x6F00, FAIL, ON),
        # Nobody foresaw these, so they are never a pass.
        (0x6200, ERROR, ON),
        (0x9001, ERROR, ON),
        (0x0000, ERROR, ON),
        (0xFFFF, ERROR, ON),
    ],
    ids=lambda value: f"{value:04X}" if isinstance(value, int) else str(value.value),
)
def test_a_status_word_means_what_the_table_says(
    sw: int, disposition: Disposition, lane: LaneRule
) -> None:
    verdict = judge(ended(STORE), StatusWordError(sw, "x"))
    assert (verdict.disposition, verdict.lane) == (disposition, lane)


@given(st.integers(0, 0xFFFF))
def test_only_9000_is_a_pass(sw: int) -> None:
    verdict = judge(ended(STORE), StatusWordError(sw, "x"))
    assert (verdict.disposition is Disposition.PASS) is (sw == 0x9000)


# ---------------------------------------------------------------------------------- two in a row


def verdict(cause: str, lane: LaneRule = TWO, disposition: Disposition = FAIL) -> Verdict:
    return Verdict(disposition, cause, "x", "x", lane)


PASSED = verdict("pass", ON, Disposition.PASS)
TORN = verdict("torn", ON, RETRY)
BROKEN = verdict("MEMORY_FAILURE", ON)
LEDGER = verdict("LedgerError", STOP, ERROR)
KEYS, PROFILE = verdict("keys"), verdict("profile")


@pytest.mark.parametrize(
    ("verdicts", "stops"),
    [
        ((KEYS,), False),
        ((KEYS, KEYS), True),
        ((KEYS, PROFILE), False),
        ((KEYS, PROFILE, KEYS), False),
        ((KEYS, PROFILE, PROFILE), True),
        ((KEYS, PASSED, KEYS), False),
        ((KEYS, PASSED, KEYS, KEYS), True),
        ((KEYS, TORN, KEYS), True),
        ((KEYS, TORN, TORN, BROKEN, KEYS), True),
        ((BROKEN, BROKEN, BROKEN), False),
        ((TORN, TORN, TORN), False),
        ((LEDGER,), True),
    ],
)
def test_a_lane_stops_after_two_of_one_cause(verdicts: tuple[Verdict, ...], stops: bool) -> None:
    guard = Guard()
    assert [guard.stops(one) for one in verdicts] == [False] * (len(verdicts) - 1) + [stops]
