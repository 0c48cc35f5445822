import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.model import Layout, SecurityLevel
from kfasync.sim.applet import Lifecycle
from tests.sim.host import KEYS, SELECT, initialize_update, key_set, open_session
from tests.sim.items import (
    BLE,
    GET_UID,
    INITIALIZE_UPDATE,
    OK,
    STREAM,
    UICC,
    fob,
    personalize,
    store_data,
    sw,
)

FULL = SecurityLevel.C_MAC_C_DECRYPTION_R_MAC_R_ENCRYPTION

# ------------------------------------------------------------------ opening a session


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("8050200008" + "00" * 8, "6A88"),
        ("8050000108" + "00" * 8, "6A86"),
        ("8050000007" + "00" * 7, "6700"),
        ("8050000010" + "00" * 16, "6700"),
        ("80500000", "6700"),
        ("8482010010" + "00" * 16, "6985"),  # not before INITIALIZE UPDATE
        ("8082010010" + "00" * 16, "6982"),
        ("80E2000001A0", "6982"),
        ("84E2000008" + "00" * 8, "6982"),
        ("84CA9F7F08" + "00" * 8, "6982"),
        ("8020000000", "6D00"),
    ],
)
def test_what_the_application_refuses_without_a_session(command: str, status: str) -> None:
    card = fob()
    card.transmit(SELECT)
    assert sw(card.transmit(bytes.fromhex(command))) == status


@pytest.mark.parametrize("kvn", [0, 0x30])
def test_the_answer_to_initialize_update_names_version_and_parameter(kvn: int) -> None:
    card = fob(kvn=0x30, key_diversification_data=bytes(range(10)))
    card.transmit(SELECT)
    answer = card.transmit(bytes((0x80, 0x50, kvn, 0, 8)) + bytes(8))
    assert answer[:13] == bytes(range(10)) + bytes.fromhex("300370")
    assert answer[-5:] == bytes.fromhex("0000019000")


def test_the_older_answer_has_the_counter_in_front_and_a_wide_version() -> None:
    card = fob(layout=Layout.REV3, random=bytes, i_param=0x60)
    card.transmit(SELECT)
    answer = card.transmit(INITIALIZE_UPDATE)
    assert answer[10:24] == bytes.fromhex("03 000001 00FF") + bytes(8)
    assert len(answer) == 32 + 2


def test_a_random_challenge_comes_without_a_sequence_counter() -> None:
    card = fob(i_param=0x60, random=lambda size: b"\x5a" * size)
    card.transmit(SELECT)
    answer = card.transmit(INITIALIZE_UPDATE)
    assert answer[13:21] == b"\x5a" * 8
    assert len(answer) == 29 + 2


def test_the_sequence_counter_moves_with_every_session_and_stays_over_a_reset() -> None:
    card = fob(sequence_counter=6)
    open_session(card)
    card.reset()
    open_session(card)
    assert card.sequence_counter == 8


def test_an_exhausted_sequence_counter_opens_no_session() -> None:
    card = fob(sequence_counter=0xFFFFFE)
    open_session(card)
    card.transmit(SELECT)
    assert sw(card.transmit(INITIALIZE_UPDATE)) == "6985"


@pytest.mark.parametrize(
    ("i_param", "level", "status"),
    [
        (0x10, 0x01, "9000"),
        (0x10, 0x03, "9000"),
        (0x10, 0x11, "6A86"),
        (0x30, 0x13, "9000"),
        (0x30, 0x33, "6A86"),
        (0x70, 0x33, "9000"),
        (0x70, 0x31, "6A86"),
        (0x70, 0x00, "6A86"),
    ],
)
def test_only_announced_security_levels_open(i_param: int, level: int, status: str) -> None:
    card = fob(i_param=i_param)
    host = initialize_update(card.transmit, level=level)
    assert sw(card.transmit(host.external_authenticate())) == status
    assert card.tries_left == 10


def test_a_fob_keeps_its_keys_when_those_it_was_given_are_wiped() -> None:
    given_keys = key_set(*(bytes(k.expose()).hex() for k in (KEYS.enc, KEYS.mac, KEYS.dek)))
    card = fob(keys=given_keys)
    for key in (given_keys.enc, given_keys.mac, given_keys.dek):
        key.wipe()
    personalize(card)
    assert card.lifecycle is Lifecycle.FACTORY


def test_wrong_keys_cost_tries_until_the_key_set_is_locked_for_good() -> None:
    card = fob(tries=3)
    for left in (2, 1, 0):
        initialize_update(card.transmit)
        assert card.transmit(bytes.fromhex("8482010010") + bytes(16)) == bytes((0x63, 0xC0 | left))
        assert card.tries_left == left
    card.reset()
    card.transmit(SELECT)
    assert sw(card.transmit(INITIALIZE_UPDATE)) == "6983"


def test_a_right_host_cryptogram_gives_all_tries_back() -> None:
    card = fob(tries=3)
    initialize_update(card.transmit)
    card.transmit(bytes.fromhex("8482010010") + bytes(16))
    open_session(card)
    assert card.tries_left == 3


def test_a_right_cryptogram_under_a_wrong_mac_costs_a_try_too() -> None:
    card = fob()
    host = initialize_update(card.transmit)
    command = host.external_authenticate()
    assert sw(card.transmit(command[:-1] + bytes((command[-1] ^ 1,)))) == "63C9"


def test_external_authenticate_is_good_for_one_time() -> None:
    card = fob()
    host = initialize_update(card.transmit)
    command = host.external_authenticate()
    assert card.transmit(command) == OK
    assert sw(card.transmit(command)) == "6985"


# --------------------------------------------------------------------------- in a session


def test_a_wrong_mac_ends_the_session() -> None:
    card = fob()
    host = open_session(card)
    right = host.wrap("80E20000", STREAM[:10])
    assert sw(card.transmit(right[:-1] + bytes((right[-1] ^ 1,)))) == "6982"
    assert sw(card.transmit(right)) == "6982"
    assert sw(card.transmit(host.wrap("80E20001", STREAM[10:20]))) == "6982"


def test_a_raw_store_data_in_a_session_is_refused() -> None:
    card = fob()
    open_session(card)
    assert sw(card.transmit(bytes.fromhex("80E2000001A0"))) == "6982"


def test_an_unknown_instruction_in_a_session_is_refused_after_its_mac_was_verified() -> None:
    card = fob()
    host = open_session(card)
    assert sw(card.transmit(host.wrap("80200000"))) == "6D00"
    assert card.transmit(host.wrap("80E20000", STREAM[:10])) == OK


def test_raw_commands_between_secured_ones_do_not_disturb_the_session() -> None:
    card = fob()
    host = open_session(card, FULL)
    for command in store_data(host):
        assert host.unwrap(card.transmit(command)) == (b"", 0x9000)
        assert sw(card.transmit(GET_UID)) == "9000"


def test_other_p1_can_be_configured_and_then_are_the_only_ones() -> None:
    card = fob(store_data_p1=(0x08, 0x88))
    host = open_session(card)
    assert sw(card.transmit(host.wrap("80E20000", b""))) == "6A86"
    answers = [card.transmit(c) for c in store_data(host, p1=(0x08, 0x88))]
    assert set(answers) == {OK}
    assert card.lifecycle is Lifecycle.FACTORY


@pytest.mark.parametrize("level", SecurityLevel)
def test_a_factory_fob_opens_a_session_and_refuses_to_be_written(level: SecurityLevel) -> None:
    card = fob()
    personalize(card)
    host = open_session(card, level)
    answer = card.transmit(host.wrap("80E20000", STREAM[:100]))
    assert answer == bytes.fromhex("6985")  # an error carries no R-MAC
    answer = card.transmit(host.wrap("80CA9F7F"))
    assert host.unwrap(answer)[1] == 0x9000  # and does not end the session
    assert card.personalizations == 1


@pytest.mark.parametrize("command", [UICC, BLE])
def test_transports_are_refused_before_personalization(command: bytes) -> None:
    card = fob()
    card.transmit(SELECT)
    assert sw(card.transmit(command)) == "6985"
    assert card.transports == frozenset()


@pytest.mark.parametrize(
    ("command", "status"),
    [("00DB0000030C0101", "6A80"), ("00DB0000", "6A80"), ("00DB0001030A0101", "6A86")],
)
def test_other_transport_commands_are_refused(command: str, status: str) -> None:
    card = fob()
    personalize(card)
    assert sw(card.transmit(bytes.fromhex(command))) == status
    assert card.transports == frozenset()


@given(head=st.binary(min_size=3, max_size=3), data=st.binary(max_size=300))
def test_any_authentic_command_has_an_answer(head: bytes, data: bytes) -> None:
    card = fob()
    host = open_session(card, FULL)
    answer = card.transmit(host.wrap("80" + head.hex(), data, wide=True))
    assert host.unwrap(answer)[1] != 0
