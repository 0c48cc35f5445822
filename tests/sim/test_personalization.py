import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from kfasync.sim.applet import Lifecycle
from kfasync.sim.channel import pad
from tests.sim.host import SELECT, open_session
from tests.sim.items import (
    CERTIFICATE,
    INITIALIZE_UPDATE,
    IRK,
    ITEMS,
    OK,
    SCALAR,
    SPID,
    STREAM,
    certificate,
    encode,
    fob,
    store_data,
    sw,
    under_dek,
)

OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
WRONG_ITEMS = {
    "SPID of 39 digits": {0xA001: SPID[1:]},
    "SPID with a letter too many": {0xA001: b"G" + SPID[1:]},
    "IRK of 15 bytes": {0xA006: IRK[1:]},
    "scalar of 31 bytes": {0xA003: under_dek(pad(SCALAR[1:]))},
    "scalar zero": {0xA003: under_dek(pad(bytes(32)))},
    "scalar above the order": {0xA003: under_dek(pad(b"\xff" * 32))},
    "scalar not padded": {0xA003: under_dek(bytes(48))},
    "scalar in clear": {0xA003: SCALAR},
    "no whole blocks": {0xA003: bytes(33)},
    "no scalar": {0xA003: b""},
    "another key's certificate": {0xA002: certificate(OTHER_KEY.public_key())},
    "another curve's": {0xA002: certificate(ec.generate_private_key(ec.SECP384R1()).public_key())},
    "no curve's": {0xA002: certificate(ed25519.Ed25519PrivateKey.generate().public_key())},
    "no device certificate": {0xA002: b"\x30\x00"},
    "no ICA certificate": {0xA004: b"certificate"},
    "root certificate cut off": {0xA005: CERTIFICATE[:-1]},
    "root certificate and more": {0xA005: CERTIFICATE + b"\0"},
}
PAIRS = list(ITEMS.items())
WRONG_STREAMS = {
    **{name: encode(*(ITEMS | change).items()) for name, change in WRONG_ITEMS.items()},
    **{f"without {dgi:04X}": encode(*(p for p in PAIRS if p[0] != dgi)) for dgi in ITEMS},
    **{f"{dgi:04X} twice": encode(*PAIRS, (dgi, value)) for dgi, value in PAIRS},
    "nothing": b"",
    "unknown DGI": encode(*PAIRS, (0xA007, b"\0")),
    "cut off in a value": STREAM[:-1],
    "cut off in a length": STREAM + bytes.fromhex("A007FF01"),
    "cut off after a tag": STREAM + bytes.fromhex("A007"),
    "cut off in a tag": STREAM + bytes.fromhex("A0"),
}


@pytest.mark.parametrize("stream", WRONG_STREAMS.values(), ids=WRONG_STREAMS)
def test_wrong_content_is_refused_as_a_whole_at_the_last_block(stream: bytes) -> None:
    card = fob()
    host = open_session(card)
    answers = [card.transmit(c) for c in store_data(host, stream)]
    assert set(answers[:-1]) <= {OK}
    assert sw(answers[-1]) == "6A80"
    assert card.lifecycle is Lifecycle.UNPERSONALIZED
    assert card.stored == {}
    assert card.personalizations == 0
    # The session lives, and everything may be sent once more from the start.
    assert {card.transmit(c) for c in store_data(host)} == {OK}


@given(cut=st.integers(1, len(STREAM) - 1))
def test_a_stream_that_stops_anywhere_is_refused(cut: int) -> None:
    card = fob()
    host = open_session(card)
    *_, last = (card.transmit(c) for c in store_data(host, STREAM[:cut]))
    assert sw(last) == "6A80"
    assert card.lifecycle is Lifecycle.UNPERSONALIZED


@pytest.mark.parametrize("numbers", [[1], [0, 0], [0, 2], [0, 1, 0]])
def test_blocks_must_be_numbered_without_a_gap(numbers: list[int]) -> None:
    card = fob()
    host = open_session(card)
    answers = [sw(card.transmit(host.wrap(f"80E200{n:02X}", b"\xa0"))) for n in numbers]
    assert answers == ["9000"] * (len(numbers) - 1) + ["6A86"]


def test_there_is_no_block_after_number_255() -> None:
    card = fob()
    host = open_session(card)
    for number in range(256):
        assert card.transmit(host.wrap(f"80E200{number:02X}", b"\xa0")) == OK
    assert sw(card.transmit(host.wrap("80E20000", b"\xa0"))) == "6A86"


@pytest.mark.parametrize(
    "end", ["reset", "another select", "another initialize update", "wrong mac"]
)
def test_what_was_gathered_is_lost_with_the_session(end: str) -> None:
    card = fob()
    host = open_session(card)
    commands = list(store_data(host))
    for command in commands[:-1]:
        card.transmit(command)
    match end:
        case "reset":
            card.reset()
        case "another select":
            card.transmit(SELECT)
        case "another initialize update":
            card.transmit(INITIALIZE_UPDATE)
        case _:
            card.transmit(bytes.fromhex("84E280FF08") + bytes(8))
    card.transmit(commands[-1])
    assert card.lifecycle is Lifecycle.UNPERSONALIZED
    host = open_session(card)
    assert sw(card.transmit(host.wrap("80E28000"))) == "6A80"
