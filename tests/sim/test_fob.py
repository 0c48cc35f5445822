from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.model import Layout, Scp03Mode, SecurityLevel
from kfasync.secret import Secret
from kfasync.sim.applet import Lifecycle, Transport
from kfasync.sim.faults import NFC, Fault, FaultKind, Hung, TornOff
from kfasync.sim.fob import CONTACTLESS_ATR
from kfasync.sim.personalization import Dgi
from tests.sim.host import KEYS, SELECT, initialize_update, open_session
from tests.sim.items import (
    BLE,
    CERTIFICATE,
    GET_UID,
    INITIALIZE_UPDATE,
    IRK,
    OK,
    SCALAR,
    SPID,
    STREAM,
    UICC,
    UID,
    fob,
    personalize,
    store_data,
    sw,
)

FULL = SecurityLevel.C_MAC_C_DECRYPTION_R_MAC_R_ENCRYPTION
GET_RESPONSE = bytes.fromhex("00C00000")
GET_CPLC = bytes.fromhex("80CA9F7F00")


# --------------------------------------------------------------------- the way of one fob


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("mode", Scp03Mode)
@pytest.mark.parametrize("level", SecurityLevel)
def test_a_fob_is_personalized_at_every_level_mode_and_layout(
    level: SecurityLevel, mode: Scp03Mode, layout: Layout
) -> None:
    card = fob(scp03_mode=mode, layout=layout)
    host = open_session(card, level, mode=mode, layout=layout)
    for command in store_data(host):
        assert card.lifecycle is Lifecycle.UNPERSONALIZED
        assert host.unwrap(card.transmit(command)) == (b"", 0x9000)
    assert card.lifecycle is Lifecycle.FACTORY
    assert card.personalizations == 1
    assert card.stored == {
        Dgi.PRIVATE_KEY: Secret(SCALAR),
        Dgi.SPID: Secret(SPID),
        Dgi.DEVICE_CERTIFICATE: Secret(CERTIFICATE),
        Dgi.ICA_CERTIFICATE: Secret(CERTIFICATE),
        Dgi.ROOT_CERTIFICATE: Secret(CERTIFICATE),
        Dgi.IRK: Secret(IRK),
    }
    assert card.transmit(UICC) == OK
    assert card.transmit(BLE) == OK
    assert card.transports == {Transport.UICC, Transport.BLE}


@given(block_size=st.integers(7, 247))
def test_a_dgi_may_begin_and_end_anywhere_in_a_block(block_size: int) -> None:
    card = fob()
    host = open_session(card)
    answers = [card.transmit(c) for c in store_data(host, block_size=block_size)]
    assert set(answers) == {OK}
    assert card.lifecycle is Lifecycle.FACTORY


def test_data_may_come_with_the_last_block_and_in_an_extended_command() -> None:
    card = fob()
    host = open_session(card, FULL)
    answer = card.transmit(host.wrap("80E28000", STREAM, wide=True))
    assert host.unwrap(answer) == (b"", 0x9000)
    assert card.lifecycle is Lifecycle.FACTORY


def test_personalization_survives_a_reset_and_nothing_else_does() -> None:
    card = fob()
    personalize(card)
    card.reset()
    assert card.commands == 0
    assert card.lifecycle is Lifecycle.FACTORY
    assert Dgi.IRK in card.stored
    assert sw(card.transmit(UICC)) == "6D00"  # nothing is selected
    card.transmit(SELECT)
    assert card.transmit(UICC) == OK


# --------------------------------------------------------------- selection, UID, life cycle data


@pytest.mark.parametrize("name", ["A000000857", "A0000008570101"])
def test_select_by_the_whole_name_or_its_beginning_reports_the_whole(name: str) -> None:
    select = bytes.fromhex("00A40400") + bytes((len(name) // 2,)) + bytes.fromhex(name)
    expected = bytes.fromhex("6F0F8407A0000008570101A5049F6501FF9000")
    assert fob().transmit(select) == expected


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("00A4040005A000000858", "6A82"),
        ("00A4040008A000000857010101", "6A82"),
        ("00A4040004A0000008", "6A82"),
        ("00A40400", "6A82"),
        ("00A4000005A000000857", "6A86"),
        ("00A4040205A000000857", "6A86"),
        ("FFCA010000", "6A81"),
        ("80CA006600", "6A88"),
        ("FFB0000000", "6D00"),
        ("0020000000", "6D00"),
        ("C0A4040005A000000857", "6E00"),
        ("10E2800000", "6E00"),
        ("00A404", "6700"),
        ("", "6700"),
        ("00A4040005A0000008", "6700"),
        ("00A4040005A00000085700FF", "6700"),
        ("00A40400000005A0000008", "6700"),
        ("00A40400000000", "6A82"),
        ("00C0000000", "6985"),
    ],
)
def test_what_a_fob_refuses_before_it_is_selected(command: str, status: str) -> None:
    assert sw(fob().transmit(bytes.fromhex(command))) == status


@pytest.mark.parametrize("command", [INITIALIZE_UPDATE.hex(), "84820100", "80E28000", UICC.hex()])
def test_the_application_does_not_answer_before_select(command: str) -> None:
    assert sw(fob().transmit(bytes.fromhex(command))) == "6D00"


@pytest.mark.parametrize("uid", ["04112233", "04112233445566", "04112233445566778899"])
def test_the_uid_and_the_production_data_need_no_select(uid: str) -> None:
    card = fob(uid=bytes.fromhex(uid))
    assert card.transmit(GET_UID) == bytes.fromhex(uid) + OK
    answer = card.transmit(GET_CPLC)
    assert answer[:3] == bytes.fromhex("9F7F2A")
    assert len(answer) == 3 + 42 + 2
    assert card.uid[-4:] in answer


def test_production_data_can_be_given_and_read_in_a_session_too() -> None:
    cplc = bytes(range(42))
    card = fob(cplc=cplc)
    host = open_session(card, FULL)
    assert card.transmit(GET_CPLC)[3:-2] == cplc
    data, _ = host.unwrap(card.transmit(host.wrap("80CA9F7F", le=b"\0")))
    assert data == bytes.fromhex("9F7F2A") + cplc


def test_the_answer_to_reset_has_a_right_checksum() -> None:
    checksum = 0
    for byte in CONTACTLESS_ATR[1:]:
        checksum ^= byte
    assert checksum == 0
    assert CONTACTLESS_ATR[1] & 0x0F == len(CONTACTLESS_ATR) - 5


# --------------------------------------------------------------------------------- faults

SECURED = 4  # SELECT, INITIALIZE UPDATE and EXTERNAL AUTHENTICATE come first


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_status_word_is_answered_once_and_nothing_is_carried_out(at: int) -> None:
    card = fob(faults=[Fault(FaultKind.STATUS_WORD, at, sw=0x6581)])
    wrong = bytes.fromhex("8482010010") + bytes(16)
    answers = [sw(card.transmit(command)) for command in (SELECT, INITIALIZE_UPDATE, wrong)]
    assert answers[at - 1] == "6581"
    assert card.tries_left == 10  # none of the three ways lets the wrong one through to the key
    personalize(card)


@pytest.mark.parametrize("level", SecurityLevel)
@pytest.mark.parametrize("status", [0x6581, 0x6A84, 0x6283, 0x9000])
def test_a_status_word_in_a_session_is_protected_as_its_kind_is(
    level: SecurityLevel, status: int
) -> None:
    card = fob(faults=[Fault(FaultKind.STATUS_WORD, SECURED, sw=status)])
    host = open_session(card, level)
    answer = card.transmit(host.wrap("80E20000", STREAM[:10]))
    assert host.unwrap(answer) == (b"", status)
    # It was not carried out: the next block to come is still number 0.
    assert sw(card.transmit(host.wrap("80E20001", STREAM[10:20]))) == "6A86"


def test_a_fob_torn_off_before_a_command_has_not_carried_it_out() -> None:
    card = fob(faults=[Fault(FaultKind.TORN_BEFORE, SECURED)])
    host = open_session(card)
    with pytest.raises(TornOff):
        card.transmit(host.wrap("80E28000", STREAM, wide=True))
    assert card.lifecycle is Lifecycle.UNPERSONALIZED
    assert card.commands == 0
    assert card.log[-1] == (bytes.fromhex("84E28000"), None)
    personalize(card)


def test_a_fob_torn_off_after_the_last_block_is_personalized() -> None:
    card = fob(faults=[Fault(FaultKind.TORN_AFTER, SECURED)])
    host = open_session(card)
    with pytest.raises(TornOff):
        card.transmit(host.wrap("80E28000", STREAM, wide=True))
    assert card.lifecycle is Lifecycle.FACTORY
    host = open_session(card)
    assert sw(card.transmit(host.wrap("80E20000", STREAM[:10]))) == "6985"
    assert card.personalizations == 1


def test_a_fob_torn_off_between_two_blocks_has_forgotten_the_first() -> None:
    card = fob(faults=[Fault(FaultKind.TORN_BEFORE, SECURED + 1)])
    host = open_session(card)
    first, second, *_ = store_data(host)
    assert card.transmit(first) == OK
    with pytest.raises(TornOff):
        card.transmit(second)
    host = open_session(card)
    assert sw(card.transmit(host.wrap("80E20001", STREAM[:10]))) == "6A86"
    assert {card.transmit(c) for c in store_data(host)} == {OK}


def test_a_hung_fob_has_carried_nothing_out_and_works_again_after_a_reset() -> None:
    card = fob(faults=[Fault(FaultKind.HUNG, SECURED)])
    host = open_session(card)
    with pytest.raises(Hung):
        card.transmit(host.wrap("80E28000", STREAM, wide=True))
    assert card.lifecycle is Lifecycle.UNPERSONALIZED
    card.reset()
    personalize(card)


def test_a_slow_answer_takes_that_much_longer_once() -> None:
    card = fob(faults=[Fault(FaultKind.SLOW, 2, delay_s=1.5)])
    seconds = [card.seconds(c, card.transmit(c)) for c in (GET_UID, GET_UID, GET_UID)]
    assert seconds == [0.0, 1.5, 0.0]


def test_an_exchange_takes_longer_when_it_was_written() -> None:
    card = fob(timing=NFC)
    host = open_session(card)
    command = host.wrap("80E20000", STREAM[:100])
    answer = card.transmit(command)
    assert card.seconds(command, answer) == NFC.seconds(command, answer, 100)
    answer = card.transmit(GET_UID)
    assert card.seconds(GET_UID, answer) == NFC.seconds(GET_UID, answer, 0)


@pytest.mark.parametrize("layout", [Layout.GP, Layout.REV3])
def test_a_wrong_card_cryptogram_does_not_verify(layout: Layout) -> None:
    card = fob(faults=[Fault(FaultKind.WRONG_CRYPTOGRAM, 2)], layout=layout)
    with pytest.raises(AssertionError):
        initialize_update(card.transmit, layout=layout)
    open_session(card, layout=layout)


@pytest.mark.parametrize("kind", [FaultKind.NO_R_MAC, FaultKind.WRONG_R_MAC])
def test_a_fault_of_the_r_mac_leaves_the_status_word_alone(kind: FaultKind) -> None:
    card = fob(faults=[Fault(kind, SECURED)])
    host = open_session(card, FULL)
    answer = card.transmit(host.wrap("80E20000", STREAM[:10]))
    assert answer[-2:] == OK
    assert len(answer) == (2 if kind is FaultKind.NO_R_MAC else 2 + 8)
    with pytest.raises(AssertionError):
        host.unwrap(answer)
    # The card's chain is right: only the answer was not.
    answer = card.transmit(host.wrap("80E20001", STREAM[10:20]))
    assert host.unwrap(answer) == (b"", 0x9000)


@pytest.mark.parametrize(
    "kind", [FaultKind.NO_R_MAC, FaultKind.WRONG_CRYPTOGRAM, FaultKind.MORE_DATA]
)
def test_a_fault_without_meaning_for_its_command_waits_for_one(kind: FaultKind) -> None:
    card = fob(faults=[Fault(kind, SECURED)])
    host = open_session(card)
    assert card.transmit(host.wrap("80E20000", STREAM[:10])) == OK


def test_two_faults_at_one_command_happen_one_attempt_after_the_other() -> None:
    card = fob(faults=[Fault(FaultKind.TORN_BEFORE, 1)] * 2)
    for _ in range(2):
        with pytest.raises(TornOff):
            card.transmit(SELECT)
    assert sw(card.transmit(SELECT)) == "9000"


@pytest.mark.parametrize("le", ["{}", "00"])
@pytest.mark.parametrize("at", range(1, 5))
def test_more_data_wait_for_get_response_and_disturb_no_session(at: int, le: str) -> None:
    card = fob(faults=[Fault(FaultKind.MORE_DATA, at)])
    headers = []

    def transmit(command: bytes) -> bytes:
        answer = card.transmit(command)
        if answer[-2] != 0x61:
            return answer
        headers.append(command[:4])
        return card.transmit(GET_RESPONSE + bytes.fromhex(le.format(f"{answer[-1]:02X}")))

    host = open_session(card, FULL, transmit=transmit)
    for command in store_data(host):
        assert host.unwrap(transmit(command)) == (b"", 0x9000)
    # EXTERNAL AUTHENTICATE has no data to wait for.
    assert len(headers) == (0 if at == 3 else 1)
    assert card.lifecycle is Lifecycle.FACTORY


def test_get_response_hands_out_in_portions_and_only_what_there_is() -> None:
    card = fob(faults=[Fault(FaultKind.MORE_DATA, 1)])
    assert card.transmit(GET_UID) == bytes.fromhex("6107")
    assert card.transmit(GET_RESPONSE + b"\x08") == bytes.fromhex("6C07")
    assert card.transmit(GET_RESPONSE + b"\x03") == UID[:3] + bytes.fromhex("6104")
    assert card.transmit(GET_RESPONSE + b"\x04") == UID[3:] + OK
    assert sw(card.transmit(GET_RESPONSE + b"\x04")) == "6985"


def test_data_that_nobody_fetches_are_gone_with_the_next_command() -> None:
    card = fob(faults=[Fault(FaultKind.MORE_DATA, 1)])
    card.transmit(GET_UID)
    card.transmit(SELECT)
    assert sw(card.transmit(GET_RESPONSE + b"\0")) == "6985"


@pytest.mark.parametrize("at", [1, 2, SECURED, SECURED + 3])
def test_a_command_with_a_wrong_le_is_carried_out_once_when_it_comes_again(at: int) -> None:
    card = fob(faults=[Fault(FaultKind.WRONG_LE, at)])
    asked_again = []

    def transmit(command: bytes) -> bytes:
        answer = card.transmit(command)
        if answer[0] != 0x6C or len(answer) > 2:
            return answer
        asked_again.append(answer)
        wide = 4 + 1 + command[4]
        return card.transmit(command[:wide] + answer[1:])

    host = open_session(card, FULL, transmit=transmit)
    for command in store_data(host):
        assert host.unwrap(transmit(command)) == (b"", 0x9000)
    assert len(asked_again) == 1
    assert card.lifecycle is Lifecycle.FACTORY
    assert card.sequence_counter == 1


def test_the_same_wrong_le_is_refused_again_and_another_command_forgets_it() -> None:
    card = fob(faults=[Fault(FaultKind.WRONG_LE, 1)])
    assert card.transmit(GET_UID) == bytes.fromhex("6C07")
    assert card.transmit(GET_UID) == bytes.fromhex("6C07")
    assert sw(card.transmit(SELECT)) == "9000"
    assert card.transmit(GET_UID) == UID + OK


def test_a_host_that_wraps_anew_after_a_wrong_le_is_found_out() -> None:
    card = fob(faults=[Fault(FaultKind.WRONG_LE, SECURED)])
    host = open_session(card, FULL)
    assert card.transmit(host.wrap("80E20000", STREAM[:10])) == bytes.fromhex("6C08")
    assert sw(card.transmit(host.wrap("80E20000", STREAM[:10], le=b"\x08"))) == "6982"


# ------------------------------------------------------------------ what is known of a fob


def test_the_log_holds_headers_and_status_words_and_no_data() -> None:
    card = fob()
    card.transmit(SELECT)
    card.transmit(b"\x01")
    assert card.log == ((SELECT[:4], 0x9000), (b"\x01", 0x6700))
    assert card.commands == 2


def test_a_key_set_of_any_version_makes_a_fob_of_version_255() -> None:
    card = fob(keys=msgspec.structs.replace(KEYS, kvn=0))
    card.transmit(SELECT)
    assert card.transmit(INITIALIZE_UPDATE)[10] == 255


def test_an_aid_of_full_length_is_its_own_instance() -> None:
    assert fob(aid=bytes(16)).instance_aid == bytes(16)


def test_nothing_secret_shows_in_a_repr() -> None:
    card = fob()
    personalize(card)
    shown = f"{card!r} {card.stored!r} {card.log!r}"
    for secret in (SCALAR, IRK, bytes(KEYS.enc.expose())):
        assert secret.hex() not in shown.lower()
        assert repr(secret) not in shown
    assert UID.hex() in repr(card)


@pytest.mark.parametrize(
    "arguments",
    [
        {"uid": bytes(5)},
        {"kvn": 0},
        {"kvn": 256},
        {"aid": bytes(4), "instance_aid": bytes(4)},
        {"aid": bytes(17)},
        {"instance_aid": bytes(7)},
        {"i_param": 0x71},
        {"i_param": 0x70, "scp03_mode": Scp03Mode.S16},
        {"key_diversification_data": bytes(9)},
        {"cplc": bytes(41)},
        {"tries": 0},
        {"tries": 16},
        {"layout": Layout.GP_WITH_REV3_CONTEXT, "i_param": 0x60},
    ],
    ids=str,
)
def test_a_fob_that_cannot_be_is_not_made(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=" "):
        fob(**arguments)


HEADERS = st.sampled_from(
    ["00A40400", "8050", "8482", "84E2", "80E2", "00DB0000", "00C00000", "80CA9F7F", "84CA", "FFCA"]
).map(bytes.fromhex)


@given(
    commands=st.lists(st.binary(max_size=40) | st.tuples(HEADERS, st.binary()).map(b"".join)),
    opened=st.booleans(),
    faults=st.lists(
        st.builds(
            Fault,
            kind=st.sampled_from(FaultKind),
            at=st.integers(SECURED, 12),
            sw=st.integers(0, 0xFFFF),
        ),
        max_size=4,
    ),
)
def test_any_bytes_have_an_answer(commands: list[bytes], opened: bool, faults: list[Fault]) -> None:
    card = fob(faults=faults)
    if opened:
        open_session(card)
    for command in commands:
        try:
            assert len(card.transmit(command)) >= 2
        except (TornOff, Hung):
            card.reset()
    assert card.lifecycle is Lifecycle.UNPERSONALIZED
