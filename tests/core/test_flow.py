"""The way of one fob: what is said to it in which order, and every way in which that can end."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.core.effects import WantLease
from kfasync.core.profile import CardProfile, LayoutChoice, Level, UidPadding, UidSource
from kfasync.core.status import meaning
from kfasync.errors import (
    AlreadyProvisionedError,
    AnswerFormatError,
    CapabilityError,
    CryptogramError,
    IdentityError,
    KeyCheckError,
    KfError,
    LedgerError,
    LinkError,
    ResponseMacError,
    SourceError,
    SourceUnavailableError,
    StatusWordError,
    UnitError,
    UnprovedError,
)
from kfasync.model import KeyCheckValues, Scp03Mode, Stage, Standing, Touched
from kfasync.sim.applet import Lifecycle, Transport
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import SimulatedFob
from tests.core.hand import (
    CONTAINER,
    KEYS,
    STORED,
    UID,
    Attempt,
)

NONE, PARTIAL, UNKNOWN = Touched.NONE, Touched.PARTIAL, Touched.UNKNOWN
TORN_BEFORE, TORN_AFTER = FaultKind.TORN_BEFORE, FaultKind.TORN_AFTER
OK = b"\x90\x00"
KDD = CardProfile(uid_source=UidSource.KEY_DIVERSIFICATION_DATA)
CPLC = CardProfile(uid_source=UidSource.CPLC)
AT_33 = CardProfile(security_level=Level.L33)

# Exchanges of the fixture fob at level 01, by number.
GET_UID, SELECT, INITIALIZE_UPDATE, EXTERNAL_AUTHENTICATE, FIRST = 1, 2, 3, 4, 5
LAST, POST, END = 15, 16, 17
EACH = range(1, END + 1)
SESSION = ["A4", "50", "82"]
STORE = ["BURNED", *["E2"] * 10, "LAST_SENT", "E2"]
NEW_FOB = ["CA", "Identified", "WantLease", "NeedLease", *SESSION, *STORE, "DB", "DB"]


def fob(*faults: Fault, **arguments: object) -> SimulatedFob:
    usual: dict[str, object] = {"uid": UID, "keys": KEYS[128], "faults": faults}
    return SimulatedFob(**usual | arguments)  # type: ignore[arg-type]  # as the tests give them


def stage_of(number: int) -> Stage:
    """Where an exchange belongs."""
    if number == GET_UID:
        return Stage.READ_UID
    if number <= INITIALIZE_UPDATE:
        return Stage.INITIALIZE_UPDATE
    if number == EXTERNAL_AUTHENTICATE:
        return Stage.EXTERNAL_AUTHENTICATE
    if number < LAST:
        return Stage.PAYLOAD_DELIVERY
    return Stage.LIFECYCLE_TRANSITION if number == LAST else Stage.POST_PERSONALIZATION


def touched_by(number: int) -> Touched:
    """How far the memory can have been changed when an exchange goes wrong."""
    if number < FIRST:
        return NONE
    return PARTIAL if number < LAST else UNKNOWN


# ------------------------------------------------------------------------------- a new fob


def test_a_new_fob_gets_everything_once_and_ends_in_factory() -> None:
    card = fob()
    state = Attempt(card).passed().state
    assert card.lifecycle is Lifecycle.FACTORY
    assert card.personalizations == 1
    assert {dgi: bytes(value.expose()) for dgi, value in card.stored.items()} == STORED
    assert card.transports == {Transport.UICC, Transport.BLE}
    assert state.factory
    assert not state.recovered
    assert state.stage is Stage.POST_PERSONALIZATION


def test_the_effects_of_a_new_fob_come_in_this_order() -> None:
    assert Attempt(fob()).passed().words == NEW_FOB


def test_the_fixture_fob_takes_17_commands_and_counts_them() -> None:
    exchanges = Attempt(fob()).passed().exchanges
    assert [exchange.step for exchange in exchanges] == list(EACH)
    assert [exchange.steps for exchange in exchanges] == [0] + [17] * 16


@pytest.mark.parametrize(
    ("profile", "steps"),
    [
        (CPLC, 17),
        (KDD, 16),
        (AT_33, 18),
        (CardProfile(block_size=100), 28),
        (CardProfile(post_personalization=()), 15),
    ],
)
def test_the_number_of_steps_is_the_number_of_the_last_step(
    profile: CardProfile, steps: int
) -> None:
    exchanges = Attempt(fob(), profile).passed().exchanges
    assert len(exchanges) == exchanges[-1].step == exchanges[-1].steps == steps


def test_every_exchange_belongs_to_its_stage() -> None:
    exchanges = Attempt(fob()).passed().exchanges
    assert [exchange.stage for exchange in exchanges] == [stage_of(n) for n in EACH]


def test_commands_with_cryptograms_or_content_are_confidential_and_no_others() -> None:
    exchanges = Attempt(fob()).passed().exchanges
    confidential = [n for n in EACH if EXTERNAL_AUTHENTICATE <= n <= LAST]
    assert [n for n in EACH if exchanges[n - 1].confidential] == confidential


def test_an_attempt_can_be_given_up_only_while_the_fob_is_untouched() -> None:
    exchanges = Attempt(fob()).passed().exchanges
    assert [n for n in EACH if exchanges[n - 1].interruptible] == [1, 2, 3, 4]


@pytest.mark.parametrize("standing", [PARTIAL, UNKNOWN])
def test_a_fob_touched_by_an_earlier_attempt_is_not_given_up_once_that_is_known(
    standing: Touched,
) -> None:
    exchanges = Attempt(fob(), standing=standing).passed().exchanges
    assert [n for n in EACH if exchanges[n - 1].interruptible] == [GET_UID]


def test_the_state_explains_itself_after_a_pass() -> None:
    state = Attempt(fob()).passed().state
    assert state.unit is not None
    assert (state.unit.uid, state.unit.profile) == (UID, "jcop4-fob")
    assert state.lease is not None
    assert state.lease.content == CONTAINER.content
    assert state.facts is not None
    assert state.facts.kvn == 255
    assert state.stored


# ---------------------------------------------------------------------------- who the fob is


def test_the_key_diversification_data_are_an_identity() -> None:
    attempt = Attempt(fob(key_diversification_data=bytes(range(10))), KDD).passed()
    assert attempt.words == ["A4", "50", "Identified", "NeedLease", "82", *STORE, "DB", "DB"]
    assert attempt.state.unit is not None
    assert attempt.state.unit.uid == bytes(range(10))


def test_the_fabrication_data_of_the_cplc_are_an_identity() -> None:
    cplc = bytes(range(42))
    attempt = Attempt(fob(cplc=cplc), CPLC).passed()
    assert attempt.words == NEW_FOB
    assert attempt.exchanges[0].command == bytes.fromhex("80CA9F7F00")
    assert attempt.state.unit is not None
    assert attempt.state.unit.uid == cplc[10:18]


@pytest.mark.parametrize(
    ("padding", "uid"),
    [
        (UidPadding.RAW, UID),
        (UidPadding.LEFT, bytes(3) + UID),
        (UidPadding.RIGHT, UID + bytes(3)),
    ],
)
def test_the_uid_is_padded_for_diversification_and_kept_as_it_is(
    padding: UidPadding, uid: bytes
) -> None:
    unit = Attempt(fob(), CardProfile(uid_padding=padding)).passed().state.unit
    assert unit is not None
    assert (unit.uid, unit.diversification_uid) == (UID, uid)


@pytest.mark.parametrize("uid", ["04112233", "04112233445566", "04112233445566778899"])
def test_a_uid_of_4_7_or_10_bytes_is_an_identity(uid: str) -> None:
    unit = Attempt(fob(uid=bytes.fromhex(uid))).passed().state.unit
    assert unit is not None
    assert unit.uid.hex() == uid


@pytest.mark.parametrize(
    ("profile", "answer", "error", "message"),
    [
        pytest.param(CardProfile(), "08112233", IdentityError, "random UID", id="random"),
        pytest.param(CardProfile(), "", IdentityError, "UID of 0 bytes", id="none"),
        pytest.param(CardProfile(), "0411223344", IdentityError, "of 5 bytes", id="5 bytes"),
        pytest.param(CPLC, "9F7F2A" + "00" * 42, IdentityError, "blank", id="blank CPLC"),
        pytest.param(CPLC, "9F7F2A" + "11" * 41, AnswerFormatError, "44 came", id="short CPLC"),
        pytest.param(CPLC, "9F7E2A" + "11" * 42, AnswerFormatError, "9F7F", id="not the CPLC"),
    ],
)
def test_a_fob_without_a_stable_identity_gets_nothing(
    profile: CardProfile, answer: str, error: type[KfError], message: str
) -> None:
    attempt = Attempt(fob(), profile, forged={1: bytes.fromhex(answer) + OK})
    assert message in str(attempt.failed(error))
    assert attempt.words == ["CA"]
    assert attempt.state.unit is None


@pytest.mark.parametrize("blank", [bytes(10), b"\xff" * 10])
def test_blank_key_diversification_data_identify_nobody(blank: bytes) -> None:
    attempt = Attempt(fob(key_diversification_data=blank), KDD)
    assert "set uid_source" in str(attempt.failed(IdentityError))
    assert attempt.words == ["A4", "50"]


@pytest.mark.parametrize("size", [0, 9])
def test_an_answer_too_short_for_key_diversification_data_identifies_nobody(size: int) -> None:
    attempt = Attempt(fob(), KDD, forged={2: bytes(range(size)) + OK})
    assert f"answered with {size} bytes" in str(attempt.failed(AnswerFormatError))
    assert attempt.words == ["A4", "50"]


@pytest.mark.parametrize("profile", [CardProfile(), KDD], ids=["get-data", "diversification"])
def test_a_session_that_does_not_open_fails_at_initialize_update(profile: CardProfile) -> None:
    attempt = Attempt(fob(keys=KEYS[192]), profile)
    attempt.failed(CryptogramError)
    assert attempt.state.stage is Stage.INITIALIZE_UPDATE


# ---------------------------------------------------------- refused before it costs anything


@pytest.mark.parametrize("part", ["enc", "mac", "dek"])
def test_a_wrong_key_is_found_before_even_select(part: str) -> None:
    kcv: KeyCheckValues = msgspec.structs.replace(KEYS[128].kcv, **{part: bytes(3)})
    card = fob()
    attempt = Attempt(card, keys=msgspec.structs.replace(KEYS[128], kcv=kcv))
    attempt.failed(KeyCheckError)
    assert attempt.words == ["CA", "Identified", "WantLease", "NeedLease"]
    assert (attempt.state.stage, attempt.state.touched) == (Stage.FETCH_KEYS, NONE)


@pytest.mark.parametrize(
    "fault", [FaultKind.WRONG_CRYPTOGRAM, None], ids=["false cryptogram", "other keys"]
)
def test_nothing_is_sent_after_a_card_cryptogram_that_does_not_verify(
    fault: FaultKind | None,
) -> None:
    faults = [Fault(fault, at=INITIALIZE_UPDATE)] if fault else []
    card = fob(*faults, keys=KEYS[128] if fault else KEYS[192])
    attempt = Attempt(card)
    attempt.failed(CryptogramError)
    assert attempt.words[-1] == "50"
    assert card.tries_left == 10
    assert attempt.state.touched is NONE
    attempt.require_secrets_forgotten()


def test_a_forced_layout_tries_only_itself() -> None:
    attempt = Attempt(fob(), CardProfile(layout=LayoutChoice.REV3, key_version=0))
    assert "layout rev3)" in str(attempt.failed(CryptogramError))
    assert attempt.words[-1] == "50"


def test_another_key_version_is_an_error_before_external_authenticate() -> None:
    # The fob refuses a version that it does not have; this answer is one to version 00.
    answer = Attempt(fob(kvn=0x30), CardProfile(key_version=0)).passed().received[2]
    attempt = Attempt(fob(kvn=0x30), forged={INITIALIZE_UPDATE: answer})
    assert "key version 48 where 255 was asked" in str(attempt.failed(CapabilityError))
    assert attempt.words[-1] == "50"


def test_what_the_card_does_not_announce_is_an_error_before_external_authenticate() -> None:
    attempt = Attempt(fob(i_param=0x10), AT_33)
    assert "R-MAC and R-ENCRYPTION" in str(attempt.failed(CapabilityError))
    assert attempt.words[-1] == "50"


def test_too_many_blocks_are_refused_before_anything_is_sent_for_them() -> None:
    attempt = Attempt(fob(), CardProfile(block_size=6))
    assert "256 is the most" in str(attempt.failed(SourceError))
    assert attempt.words == ["CA", "Identified", "WantLease", "NeedLease"]
    assert attempt.path.slots == []


@pytest.mark.parametrize(
    ("failing", "sent"),
    [
        ("Identified", 1),
        ("NeedLease", 1),
        ("BURNED", 4),
        ("LAST_SENT", 14),
    ],
)
def test_what_goes_wrong_beside_the_card_stops_the_commands(failing: str, sent: int) -> None:
    errors = {
        "Identified": AlreadyProvisionedError("it passed"),
        "NeedLease": SourceUnavailableError("later"),
        "BURNED": LedgerError("the disk is full"),
        "LAST_SENT": LedgerError("the disk is full"),
    }
    attempt = Attempt(fob(), failing={failing: errors[failing]})
    assert attempt.failed(KfError) is errors[failing]
    assert len(attempt.exchanges) == sent
    assert attempt.state.touched is (PARTIAL if failing == "LAST_SENT" else NONE)
    attempt.require_secrets_forgotten()


# ------------------------------------------------------------------- a lease on its way


def test_a_lease_on_its_way_is_waited_for_after_initialize_update() -> None:
    attempt = Attempt(fob(), on_its_way=True).passed()
    begun = ["CA", "Identified", "WantLease", "A4", "50", "NeedLease", "82"]
    assert attempt.words == [*begun, *STORE, "DB", "DB"]
    attempt.require_secrets_forgotten()


@pytest.mark.parametrize("standing", [PARTIAL, UNKNOWN])
def test_only_a_unit_in_doubt_waits_for_it_before(standing: Touched) -> None:
    attempt = Attempt(fob(), standing=standing, on_its_way=True).run()
    wanted = any(isinstance(effect, WantLease) for effect in attempt.effects)
    assert wanted is (standing is PARTIAL)
    assert attempt.words[2] == ("WantLease" if standing is PARTIAL else "NeedLease")


def test_who_is_known_by_a_session_has_nothing_to_hide_a_lease_behind() -> None:
    attempt = Attempt(fob(key_diversification_data=bytes(range(10))), KDD, on_its_way=True).passed()
    assert not any(isinstance(effect, WantLease) for effect in attempt.effects)
    assert attempt.words[:4] == ["A4", "50", "Identified", "NeedLease"]


def test_who_is_known_by_a_session_and_in_doubt_is_written_down_late() -> None:
    known = fob(key_diversification_data=bytes(range(10)))
    attempt = Attempt(known, KDD, standing=UNKNOWN).run()
    assert attempt.words == ["A4", "50", "Identified", "NeedLease", "BEGUN"]


@pytest.mark.parametrize("at", [2, 3])
def test_a_card_that_fails_while_it_is_on_its_way_needs_no_lease(at: int) -> None:
    attempt = Attempt(fob(), forged={at: b"\x6a\x82"}, on_its_way=True)
    attempt.failed(StatusWordError)
    assert "NeedLease" not in attempt.words
    assert attempt.state.touched is NONE


# ----------------------------------------------------------------------- the card challenge


def test_the_df_name_of_the_select_answer_is_what_the_challenge_is_over() -> None:
    card = fob(instance_aid=bytes.fromhex("A0000008570203040506"))
    attempt = Attempt(card).passed()
    (opening,) = attempt.path.slots[0].openings
    assert opening.aid.hex().upper() == "A0000008570203040506"


@pytest.mark.parametrize(
    "fci",
    [
        pytest.param("", id="none"),
        pytest.param("6F07", id="cut off"),
        pytest.param("6F088406A00000085801", id="of another application"),
        pytest.param("620A8408A000000857010155AA", id="another template"),
        pytest.param("6F0A8508A000000857010155AA", id="another tag"),
    ],
)
def test_where_select_names_nobody_the_aid_asked_for_stands(fci: str) -> None:
    attempt = Attempt(fob(), changed={SELECT: bytes.fromhex(fci) + OK})
    assert "another AID than A000000857:" in str(attempt.failed(CryptogramError))
    assert attempt.words[-1] == "50"


def test_challenge_aid_overrides_what_select_names() -> None:
    card = fob()
    profile = CardProfile(challenge_aid=card.instance_aid.hex())
    Attempt(card, profile, changed={SELECT: OK}).passed()
    attempt = Attempt(fob(), CardProfile(challenge_aid="A000000151000000"))
    assert "another AID than A000000151000000:" in str(attempt.failed(CryptogramError))


# -------------------------------------------------------------------------- what a card says


@pytest.mark.parametrize("sw", [0x6A80, 0x6581, 0x6300, 0x9001])
@pytest.mark.parametrize("number", EACH)
def test_a_status_word_ends_the_attempt_and_is_reported_as_it_is(number: int, sw: int) -> None:
    attempt = Attempt(fob(Fault(FaultKind.STATUS_WORD, at=number, sw=sw)))
    error = attempt.failed(StatusWordError)
    assert error.sw == sw
    stage = stage_of(number)
    assert str(error) == f"{stage.value}: {sw:04X}, {meaning(sw)}"
    assert attempt.state.stage is stage
    assert len(attempt.exchanges) == number
    assert attempt.state.touched is touched_by(number)
    attempt.require_secrets_forgotten()


@pytest.mark.parametrize("number", [FIRST, LAST + 1])
@pytest.mark.parametrize("level", [Level.L11, Level.L13, Level.L33])
def test_an_error_without_an_r_mac_is_reported_as_that_status_word(
    number: int, level: Level
) -> None:
    card = fob(Fault(FaultKind.STATUS_WORD, at=number, sw=0x6A84))
    error = Attempt(card, CardProfile(security_level=level)).failed(StatusWordError)
    assert error.sw == 0x6A84


@pytest.mark.parametrize("kind", [FaultKind.NO_R_MAC, FaultKind.WRONG_R_MAC])
@pytest.mark.parametrize("level", [Level.L11, Level.L13, Level.L33])
@pytest.mark.parametrize("number", [FIRST, LAST - 1])
def test_a_9000_whose_r_mac_is_not_right_is_refused(
    kind: FaultKind, level: Level, number: int
) -> None:
    attempt = Attempt(fob(Fault(kind, at=number)), CardProfile(security_level=level))
    attempt.failed(ResponseMacError)
    assert len(attempt.exchanges) == number
    attempt.require_secrets_forgotten()


@pytest.mark.parametrize("standing", [NONE, PARTIAL])
def test_a_fob_in_factory_that_nobody_left_in_doubt_is_a_refusal(standing: Touched) -> None:
    card = fob()
    Attempt(card).passed()
    attempt = Attempt(card, standing=standing)
    assert attempt.failed(StatusWordError).sw == 0x6985
    assert attempt.words[-2:] == ["BURNED", "E2"]
    assert not attempt.state.recovered
    assert card.personalizations == 1


# ----------------------------------------------------------- 61xx and 6Cxx, in one place


@pytest.mark.parametrize("kind", [FaultKind.MORE_DATA, FaultKind.WRONG_LE])
@pytest.mark.parametrize("number", EACH)
@pytest.mark.parametrize("profile", [CardProfile(), AT_33], ids=["01", "33"])
def test_an_answer_that_takes_two_exchanges_is_one_answer(
    kind: FaultKind, number: int, profile: CardProfile
) -> None:
    card = fob(Fault(kind, at=number))
    undisturbed = Attempt(fob(), profile).passed()
    attempt = Attempt(card, profile).passed()
    # Only an answer that has data comes in two: a bare 9000 has nothing to wait for.
    has_data = number <= INITIALIZE_UPDATE or (
        profile is AT_33 and number != EXTERNAL_AUTHENTICATE and number <= LAST + 1
    )
    assert len(attempt.exchanges) == len(undisturbed.exchanges) + has_data
    assert card.personalizations == 1
    if has_data:
        first, second = attempt.exchanges[number - 1 : number + 1]
        assert (first.step, first.steps, first.confidential) == (
            second.step,
            second.steps,
            second.confidential,
        )
        if kind is FaultKind.MORE_DATA:
            assert second.command[:4] == bytes.fromhex("00C00000")
        else:
            le = len(second.command) - 1
            assert second.command[:le] == first.command[:le]


def test_le_00_stands_for_256_in_both() -> None:
    attempt = Attempt(fob(), forged={1: b"\x61\x00", 2: UID + b"\x90\x00"})
    assert attempt.passed().exchanges[1].command == bytes.fromhex("00C0000000")
    attempt = Attempt(fob(), forged={1: b"\x6c\x00"})
    assert attempt.passed().exchanges[1].command == bytes.fromhex("FFCA000000")


def test_data_that_come_in_pieces_are_put_together() -> None:
    pieces = {1: UID[:2] + b"\x61\x05", 2: UID[2:4] + b"\x61\x03", 3: UID[4:] + OK}
    unit = Attempt(fob(), forged=pieces).passed().state.unit
    assert unit is not None
    assert unit.uid == UID


def test_a_card_that_asks_for_another_le_twice_is_refused() -> None:
    attempt = Attempt(fob(), forged={1: b"\x6c\x07", 2: b"\x6c\x08"})
    assert attempt.failed(StatusWordError).sw == 0x6C08
    assert attempt.words == ["CA", "CA"]


@pytest.mark.parametrize(
    ("piece", "exchanges"),
    [pytest.param(b"", 2, id="nothing"), pytest.param(bytes(200), 257, id="without end")],
)
def test_more_data_that_never_come_to_an_end_are_an_error(piece: bytes, exchanges: int) -> None:
    attempt = Attempt(fob(), forged=dict.fromkeys(range(1, 400), piece + b"a\x00"))
    assert "never comes to an end" in str(attempt.failed(AnswerFormatError))
    assert len(attempt.exchanges) == exchanges


def test_more_data_than_any_answer_has_are_not_collected() -> None:
    attempt = Attempt(fob(), forged=dict.fromkeys(range(1, 400), bytes(30_000) + b"a\x00"))
    assert "more than 65536 bytes" in str(attempt.failed(AnswerFormatError))
    assert len(attempt.exchanges) == 3


# ------------------------------------------------------------------------ torn from the field


@pytest.mark.parametrize("kind", [TORN_BEFORE, TORN_AFTER])
@pytest.mark.parametrize("number", EACH)
def test_a_torn_fob_is_finished_by_the_next_attempt(kind: FaultKind, number: int) -> None:
    card = fob(Fault(kind, at=number))
    torn = Attempt(card)
    torn.failed(LinkError)
    assert torn.state.touched is touched_by(number)
    assert torn.state.stage is stage_of(number)
    torn.require_secrets_forgotten()

    again = Attempt(card, standing=torn.state.touched).passed()
    in_factory = number > LAST or (number == LAST and kind is TORN_AFTER)
    assert again.state.recovered is in_factory
    assert again.state.factory
    assert card.personalizations == 1
    assert card.transports == {Transport.UICC, Transport.BLE}


# Of a unit in doubt a session is written down before the card can have counted it.
IN_DOUBT = ["CA", "Identified", "NeedLease", "A4", "BEGUN", *SESSION[1:], "AUTHENTICATED"]


def test_in_doubt_and_in_factory_is_recovered_without_a_second_writing() -> None:
    card = fob(Fault(TORN_AFTER, at=LAST))
    Attempt(card).failed(LinkError)
    again = Attempt(card, standing=UNKNOWN).passed()
    # BURNED has long been durable, and nothing may say that this attempt began to write.
    assert again.words == [*IN_DOUBT, "E2", "DB", "DB"]
    assert again.state.recovered
    assert not again.state.stored


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"atr": b"another"}, "its ATR is another"),
        ({"sequence_counter": None}, "no sequence counter"),
        ({"sequence_counter": 0}, "a session that is not this station's"),
        ({"begun": 1, "authenticated": 1}, "a session that is not this station's"),
        ({"begun": 1}, "was begun and not authenticated"),
    ],
)
def test_in_factory_without_proof_stays_in_doubt(changes: dict[str, object], why: str) -> None:
    card = fob(Fault(TORN_AFTER, at=LAST))
    Attempt(card).failed(LinkError)
    again = Attempt(card, standing=UNKNOWN)
    assert again.standing.earlier is not None
    earlier = msgspec.structs.replace(again.standing.earlier, **changes)
    again.standing = Standing(UNKNOWN, earlier)
    assert why in str(again.failed(UnprovedError))
    assert (again.state.touched, again.state.factory) == (UNKNOWN, False)
    # Until a person says that nobody else has written to it.
    again = Attempt(card, standing=UNKNOWN)
    again.standing = Standing(UNKNOWN, msgspec.structs.replace(earlier, recoverable=True))
    assert again.passed().state.recovered


@pytest.mark.parametrize("touched", [PARTIAL, UNKNOWN])
@pytest.mark.parametrize(
    "changes", [{"sequence_counter": 1}, {"key_diversification_data": b"another fob"}]
)
def test_another_fob_of_the_same_uid_is_refused_before_it_is_authenticated(
    touched: Touched, changes: dict[str, object]
) -> None:
    attempt = Attempt(card := fob(), standing=touched)
    assert attempt.standing.earlier is not None
    earlier = msgspec.structs.replace(attempt.standing.earlier, **changes)
    attempt.standing = Standing(touched, earlier)
    attempt.failed(UnitError)
    assert len(card.log) == INITIALIZE_UPDATE
    attempt.require_secrets_forgotten()


def test_in_doubt_and_still_open_is_written_from_the_start() -> None:
    card = fob(Fault(TORN_BEFORE, at=LAST))
    Attempt(card).failed(LinkError)
    again = Attempt(card, standing=UNKNOWN).passed()
    written = ["E2", "STILL_OPEN", *["E2"] * 9, "LAST_SENT", "E2", "DB", "DB"]
    assert again.words == [*IN_DOUBT, *written]
    assert not again.state.recovered


@pytest.mark.parametrize(
    ("number", "touched"),
    [(EXTERNAL_AUTHENTICATE, UNKNOWN), (FIRST, UNKNOWN), (FIRST + 1, PARTIAL), (LAST, UNKNOWN)],
)
def test_doubt_lasts_until_the_card_has_taken_a_block(number: int, touched: Touched) -> None:
    attempt = Attempt(fob(Fault(TORN_BEFORE, at=number)), standing=UNKNOWN)
    attempt.failed(LinkError)
    assert attempt.state.touched is touched


def test_6985_in_the_middle_of_writing_is_a_refusal_in_doubt_too() -> None:
    card = fob(Fault(FaultKind.STATUS_WORD, at=FIRST + 1, sw=0x6985))
    attempt = Attempt(card, standing=UNKNOWN)
    assert attempt.failed(StatusWordError).sw == 0x6985
    assert not attempt.state.factory


def test_another_refusal_of_the_first_block_leaves_the_doubt() -> None:
    card = fob(Fault(FaultKind.STATUS_WORD, at=FIRST, sw=0x6A80))
    attempt = Attempt(card, standing=UNKNOWN)
    assert attempt.failed(StatusWordError).sw == 0x6A80
    assert attempt.state.touched is UNKNOWN


# ---------------------------------------------------------------------------- every way out


@pytest.mark.parametrize("effects", range(len(NEW_FOB)))
def test_a_flow_that_is_given_up_forgets_its_secrets(effects: int) -> None:
    attempt = Attempt(fob()).run(effects)
    assert attempt.words == NEW_FOB[: effects + 1]
    assert len(attempt.path.slots) == (effects >= NEW_FOB.index(SESSION[0]))
    attempt.require_secrets_forgotten()


def test_a_flow_that_passes_forgets_its_secrets_before_it_speaks_in_clear() -> None:
    attempt = Attempt(fob(Fault(TORN_BEFORE, at=POST)))
    attempt.failed(LinkError)
    attempt.require_secrets_forgotten()
    assert len(attempt.path.slots[0].channels) == 1


status_words = st.sampled_from(
    [b"", OK, b"\x61\x00", b"\x61\x10", b"\x6c\x00", b"\x6c\x20", b"\x69\x85", b"\x63\xc0"]
)


@given(
    st.sampled_from([CardProfile(), AT_33, KDD, CPLC]),
    st.dictionaries(
        st.integers(1, 18), st.builds(bytes.__add__, st.binary(max_size=40), status_words)
    ),
    st.sampled_from(Touched),
)
def test_invented_answers_are_an_error_of_ours_and_never_a_pass(
    profile: CardProfile, invented: dict[int, bytes], standing: Touched
) -> None:
    card = fob()
    attempt = Attempt(card, profile, forged=invented, standing=standing).run()
    # Where in doubt, 6985 from anybody is believed: it has no R-MAC at any level.
    if attempt.error is None and not attempt.state.recovered:
        assert card.lifecycle is Lifecycle.FACTORY
    attempt.require_secrets_forgotten()


@given(st.integers(1, 18), st.builds(bytes.__add__, st.binary(max_size=50), status_words))
def test_one_invented_answer_is_an_error_unless_it_says_9000_or_asks_for_another_le(
    number: int, answer: bytes
) -> None:
    attempt = Attempt(fob(), AT_33, forged={number: answer}).run()
    if not answer.endswith(OK) and answer[-2:-1] != b"\x6c":
        assert attempt.error is not None


def test_the_mode_of_the_profile_is_the_mode_of_the_session() -> None:
    card = fob(scp03_mode=Scp03Mode.S16)
    attempt = Attempt(card, CardProfile(scp03_mode=Scp03Mode.S16)).passed()
    assert attempt.exchanges[INITIALIZE_UPDATE - 1].command[4] == 16
    assert len(attempt.exchanges[EXTERNAL_AUTHENTICATE - 1].command) == 5 + 32
