import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.model import KeySet, Layout, Scp03Mode, SecurityLevel
from kfasync.sim.channel import (
    CardChannel,
    context_of,
    derive,
    levels_of,
    mac,
    pad,
    pseudo_random_challenge,
    size_of,
    unpad,
)
from kfasync.sim.command import Command, Refusal, Sw
from tests.sim.host import KEYS, Host, key_set

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "scp03.json").read_text())
ALL_LEVELS = frozenset(SecurityLevel)


def named(entries: list[dict[str, Any]]) -> list[Any]:
    """Published entries that were recomputed independently, as parameters."""
    return [pytest.param(e, id=e["name"]) for e in entries if e["verified"]]


# The emulation behind this capture pads 11 bytes to 32; method 2 pads them to 16. The first
# of its two blocks is still a witness, its R-MAC is over both.
PADDED_TOO_FAR = ("samsung-aes128-s16", 2)
SESSIONS = named(VECTORS["sessions"])
GENERATED = named(VECTORS["generated_sessions"])


class Capture:
    """One captured session: the card's side of it, and the bytes that must come out."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.keys: KeySet = key_set(**entry["static_keys"])
        self.mode = Scp03Mode(entry["mode"])
        size = size_of(self.mode)
        self.host_challenge = bytes.fromhex(entry["host_challenge"])
        if answer := bytes.fromhex(entry["initialize_update_response"] or ""):
            self.card_challenge = answer[13 : 13 + size]
            self.card_cryptogram = answer[13 + size : 13 + 2 * size]
            self.sequence_counter = answer[13 + 2 * size :]
        else:
            self.card_challenge = bytes.fromhex(entry["card_challenge"])
            self.card_cryptogram = bytes.fromhex(entry["card_cryptogram"])
            self.sequence_counter = b""
        self.context = context_of(
            Layout.GP, self.sequence_counter, self.host_challenge, self.card_challenge
        )
        self.external_authenticate = Command.parse(
            bytes.fromhex(
                entry["external_authenticate"] or entry["external_authenticate_recomputed"]
            )
        )

    def channel(self) -> CardChannel:
        return CardChannel(self.keys.enc, self.keys.mac, self.context, self.mode)


@pytest.mark.parametrize("entry", named([e for e in VECTORS["kdf"] if e["kind"] == "SCP03 KDF"]))
def test_published_derivations_come_out(entry: dict[str, Any]) -> None:
    key, context = bytes.fromhex(entry["key"]), bytes.fromhex(entry["context"])
    derived = derive(key, int(entry["constant"], 16), context, bits=entry["L_bits"])
    assert derived.hex().upper() == entry["output"]


@pytest.mark.parametrize("entry", VECTORS["cmac"], ids=lambda e: f"aes{e['aes_bits']}")
def test_published_cmacs_come_out(entry: dict[str, Any]) -> None:
    code = mac(bytes.fromhex(entry["key"]), bytes.fromhex(entry["message"]))
    assert code.hex().upper() == entry["mac"]


@pytest.mark.parametrize("entry", SESSIONS + GENERATED)
def test_captured_card_cryptograms_come_out(entry: dict[str, Any]) -> None:
    capture = Capture(entry)
    assert capture.channel().card_cryptogram() == capture.card_cryptogram


@pytest.mark.parametrize(
    "entry",
    [p for p in SESSIONS if p.values[0].get("pseudo_random_challenge", {}).get("matches")]
    + GENERATED,
)
def test_captured_pseudo_random_challenges_come_out(entry: dict[str, Any]) -> None:
    capture = Capture(entry)
    aid = bytes.fromhex(entry.get("aid") or entry["pseudo_random_challenge"]["aid"])
    challenge = pseudo_random_challenge(
        capture.keys.enc, capture.sequence_counter, aid, capture.mode
    )
    assert challenge == capture.card_challenge


@pytest.mark.parametrize("entry", SESSIONS)
def test_captured_sessions_replay_on_the_card_side(entry: dict[str, Any]) -> None:
    capture = Capture(entry)
    channel = capture.channel()
    channel.authenticate(capture.external_authenticate, ALL_LEVELS)
    for number, exchange in enumerate(entry["exchanges"]):
        plain = channel.unwrap(Command.parse(bytes.fromhex(exchange["wrapped"])))
        assert plain == Command.parse(bytes.fromhex(exchange["plain"]))
        if "response" not in exchange:
            continue
        data, r_mac = channel.wrap(bytes.fromhex(exchange["response_plain"]), Sw.OK)
        if (entry["name"], number) == PADDED_TOO_FAR:
            assert bytes.fromhex(exchange["response"]).startswith(data)
            continue
        assert data + r_mac + b"\x90\x00" == bytes.fromhex(exchange["response"])


@pytest.mark.parametrize("entry", GENERATED)
def test_whole_provisioning_sessions_are_accepted(entry: dict[str, Any]) -> None:
    capture = Capture(entry)
    channel = capture.channel()
    host = Host(capture.keys, capture.context, capture.mode, int(entry["security_level"], 16))
    assert Command.parse(host.external_authenticate()) == capture.external_authenticate
    channel.authenticate(capture.external_authenticate, ALL_LEVELS)

    store_data = entry["store_data"]
    wrapped = []
    for number in range(store_data["blocks"]):
        block = bytes((number * 37 + i) % 256 for i in range(store_data["data_len"]))
        p1 = 0x80 if number == store_data["blocks"] - 1 else 0x00
        wrapped.append(host.wrap(f"80E2{p1:02X}{number:02X}", block))
        plain = channel.unwrap(Command.parse(wrapped[-1]))
        assert (plain.p1, plain.p2, plain.data) == (p1, number, block)

    assert wrapped[0].hex().upper() == store_data["wrapped_first"]
    assert wrapped[-1].hex().upper() == store_data["wrapped_last"]
    digest = hashlib.sha256(b"".join(wrapped)).hexdigest().upper()
    assert digest == store_data["sha256_of_11_wrapped_concatenated"]


def authenticated(level: SecurityLevel, mode: Scp03Mode = Scp03Mode.S8) -> tuple[CardChannel, Host]:
    context = bytes(2 * size_of(mode))
    channel = CardChannel(KEYS.enc, KEYS.mac, context, mode)
    host = Host(KEYS, context, mode, level)
    channel.authenticate(Command.parse(host.external_authenticate()), ALL_LEVELS)
    return channel, host


@pytest.mark.parametrize("mode", Scp03Mode)
@pytest.mark.parametrize("level", SecurityLevel)
@given(
    exchanges=st.lists(
        st.tuples(st.binary(max_size=200), st.booleans(), st.sampled_from([b"", b"\0"])),
        max_size=5,
    )
)
def test_both_ends_understand_each_other_over_many_commands(
    level: SecurityLevel, mode: Scp03Mode, exchanges: list[tuple[bytes, bool, bytes]]
) -> None:
    channel, host = authenticated(level, mode)
    for data, wide, le in exchanges:
        wrapped = host.wrap("80E20000", data, wide=wide, le=le * (2 if wide else 1))
        plain = channel.unwrap(Command.parse(wrapped))
        assert (plain.data, plain.le is None) == (data, not le)
        sealed, r_mac = channel.wrap(data, Sw.OK)
        assert host.unwrap(sealed + r_mac + b"\x90\x00") == (data, 0x9000)
        assert channel.wrapped_length(len(data)) == len(sealed + r_mac)


@pytest.mark.parametrize("level", SecurityLevel)
@given(position=st.integers(0, 39), bit=st.integers(0, 7))
def test_any_changed_bit_of_a_secured_command_kills_the_session(
    level: SecurityLevel, position: int, bit: int
) -> None:
    channel, host = authenticated(level)
    wrapped = bytearray(host.wrap("80E20000", bytes(24)))
    # CLA is what brought the command here; a changed length is another test's matter.
    place = [i for i in range(len(wrapped)) if i not in (0, 4)][position % (len(wrapped) - 2)]
    wrapped[place] ^= 1 << bit
    with pytest.raises(Refusal) as refusal:
        channel.unwrap(Command.parse(bytes(wrapped)))
    assert refusal.value.sw == Sw.SECURITY_STATUS_NOT_SATISFIED
    with pytest.raises(Refusal):
        channel.unwrap(Command.parse(host.wrap("80E20000", bytes(24))))


@pytest.mark.parametrize("data", [b"", bytes(1), bytes(7)], ids=len)
def test_a_command_too_short_for_a_mac_is_refused(data: bytes) -> None:
    channel, _ = authenticated(SecurityLevel.C_MAC)
    with pytest.raises(Refusal) as refusal:
        channel.unwrap(Command(0x84, 0xE2, 0, 0, lc_field=bytes((len(data),)), data=data))
    assert refusal.value.sw == Sw.SECURITY_STATUS_NOT_SATISFIED


def test_a_replayed_command_is_refused() -> None:
    channel, host = authenticated(SecurityLevel.C_MAC)
    command = Command.parse(host.wrap("80E20000", bytes(8)))
    channel.unwrap(command)
    with pytest.raises(Refusal):
        channel.unwrap(command)


def test_an_authentic_command_that_does_not_decrypt_kills_the_session() -> None:
    channel, host = authenticated(SecurityLevel.C_MAC_C_DECRYPTION)
    host.level = SecurityLevel.C_MAC  # in clear: the MAC is right, the padding is not there
    with pytest.raises(Refusal) as refusal:
        channel.unwrap(Command.parse(host.wrap("80E20000", bytes(24))))
    assert refusal.value.sw == Sw.SECURITY_STATUS_NOT_SATISFIED
    assert not channel.alive


@pytest.mark.parametrize("sw", [0x6985, 0x6A80, 0x6581])
def test_an_error_status_word_carries_no_r_mac(sw: int) -> None:
    channel, _ = authenticated(SecurityLevel.C_MAC_C_DECRYPTION_R_MAC_R_ENCRYPTION)
    assert channel.wrap(b"", sw) == (b"", b"")


@pytest.mark.parametrize("sw", [0x9000, 0x6283, 0x6310])
def test_success_and_warnings_carry_an_r_mac_over_themselves(sw: int) -> None:
    channel, host = authenticated(SecurityLevel.C_MAC_C_DECRYPTION_R_MAC_R_ENCRYPTION)
    channel.unwrap(Command.parse(host.wrap("80E20000")))
    data, r_mac = channel.wrap(b"", sw)
    assert (data, len(r_mac)) == (b"", 8)
    assert host.unwrap(r_mac + sw.to_bytes(2)) == (b"", sw)


@pytest.mark.parametrize(
    ("change", "sw"),
    [
        ({"p1": 0x02}, Sw.WRONG_P1_P2),
        ({"p1": 0x00}, Sw.WRONG_P1_P2),
        ({"p2": 0x01}, Sw.WRONG_P1_P2),
        ({"data": bytes(15)}, Sw.WRONG_LENGTH),
        ({"data": bytes(16)}, Sw.SECURITY_STATUS_NOT_SATISFIED),
        ({"p1": 0x03}, Sw.SECURITY_STATUS_NOT_SATISFIED),  # the MAC covers the level
    ],
)
def test_a_wrong_external_authenticate_is_refused_for_good(change: dict[str, Any], sw: Sw) -> None:
    context = bytes(16)
    channel = CardChannel(KEYS.enc, KEYS.mac, context, Scp03Mode.S8)
    right = Command.parse(Host(KEYS, context, Scp03Mode.S8).external_authenticate())
    fields = {name: getattr(right, name) for name in right.__struct_fields__}
    with pytest.raises(Refusal) as refusal:
        channel.authenticate(Command(**(fields | change)), ALL_LEVELS)
    assert refusal.value.sw == sw
    assert not channel.alive


@pytest.mark.parametrize(
    ("i_param", "levels"),
    [
        (0x00, {0x01, 0x03}),
        (0x10, {0x01, 0x03}),
        (0x30, {0x01, 0x03, 0x11, 0x13}),
        (0x50, {0x01, 0x03}),  # R-ENC without R-MAC is not defined
        (0x70, {0x01, 0x03, 0x11, 0x13, 0x33}),
        (0x71, {0x01, 0x03, 0x11, 0x13, 0x33}),
    ],
)
def test_the_i_parameter_announces_the_levels(i_param: int, levels: set[int]) -> None:
    assert levels_of(i_param) == levels


@pytest.mark.parametrize(
    ("layout", "context"),
    [
        (Layout.GP, "HHHHHHHHCCCCCCCC"),
        (Layout.REV3_WITH_GP_CONTEXT, "HHHHHHHHCCCCCCCC"),
        (Layout.REV3, "123HHHHHHHHCCCCCCCC"),
        (Layout.GP_WITH_REV3_CONTEXT, "123HHHHHHHHCCCCCCCC"),
    ],
)
def test_the_context_follows_the_layout(layout: Layout, context: str) -> None:
    assert context_of(layout, b"123", b"H" * 8, b"C" * 8) == context.encode()


@given(data=st.binary(max_size=64))
def test_padding_comes_off_as_it_went_on(data: bytes) -> None:
    padded = pad(data)
    assert len(padded) % 16 == 0
    assert 0 < len(padded) - len(data) <= 16
    assert unpad(padded) == data


@pytest.mark.parametrize(
    "padded",
    [b"", bytes(16), b"\x80" + bytes(16 + 15), bytes(14) + b"\x80\x01", b"\x80" + bytes(14)],
    ids=["empty", "no mark", "mark in the block before", "not zeros", "not a whole block"],
)
def test_wrong_padding_is_refused(padded: bytes) -> None:
    with pytest.raises(Refusal):
        unpad(padded)
