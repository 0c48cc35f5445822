"""Secure messaging, answer by answer; the card's side is written out here by hand."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.core import dgi
from kfasync.core.apdu import CommandApdu, ResponseApdu
from kfasync.core.channel import Channel, SessionKeys
from kfasync.crypto.openssl import OpensslAes
from kfasync.errors import AnswerFormatError, CardError, ChannelError, ResponseMacError
from kfasync.model import Layout, SecurityLevel, SessionFacts, StoreDataPlan
from kfasync.secret import Secret
from tests.core.hand import ITEMS

L01 = SecurityLevel.C_MAC
L03 = SecurityLevel.C_MAC_C_DECRYPTION
L11 = SecurityLevel.C_MAC_R_MAC
L33 = SecurityLevel.C_MAC_C_DECRYPTION_R_MAC_R_ENCRYPTION
WITH_R_MAC = tuple(level for level in SecurityLevel if level & 0x10)
OK = b"\x90\x00"
STORE_DATA = bytes.fromhex("80E2000003AABBCC")
GET_DATA = bytes.fromhex("80CA9F7F00")
EMPTY_LAST = bytes.fromhex("80E2800A")
FACTS = SessionFacts(Layout.GP, 255, 0x70, 1, bytes(10))
ENC, MAC, RMAC, DEK = (
    OpensslAes().key(Secret(bytes((first,)) * 16)) for first in (0x0E, 0x0A, 0x0C, 0x0D)
)
HOST_CRYPTOGRAM = bytes.fromhex("0102030405060708")


class Card:
    """The card's chaining value and counter, from the commands that it is sent."""

    def __init__(self, level: SecurityLevel, mac_size: int = 8) -> None:
        self.level = level
        self.mac_size = mac_size
        self.channel = Channel(
            SessionKeys(ENC, MAC, RMAC, DEK),
            level,
            mac_size=mac_size,
            facts=FACTS,
            opening=CommandApdu(0x84, 0x82, level, 0x00, data=HOST_CRYPTOGRAM),
        )
        self.chain = bytes(16)
        self.counter = 0
        self.take(self.channel.external_authenticate)

    def take(self, command: bytes) -> bytes:
        """Verify the C-MAC of a short command and give back its data field without it."""
        size = command[4]
        front, mac = command[: 5 + size - self.mac_size], command[5 + size - self.mac_size :]
        self.chain = MAC.cmac(self.chain + front)
        assert mac[: self.mac_size] == self.chain[: self.mac_size]
        return front[5:]

    def send(self, plain: bytes = STORE_DATA) -> bytes:
        """Wrap a command, and take it."""
        (wrapped,) = self.channel.wrap([plain])
        self.counter += 1
        self.take(wrapped)
        return wrapped

    def answer(self, data: bytes = b"", sw: bytes = OK) -> bytes:
        """An answer with its R-MAC, the data field as it is given."""
        return data + RMAC.cmac(self.chain + data + sw)[: self.mac_size] + sw

    def encrypted(self, padded: bytes) -> bytes:
        """A data field as R-ENCRYPTION makes it."""
        icv = ENC.encrypt_block(b"\x80" + self.counter.to_bytes(15))
        return ENC.encrypt_cbc(icv, padded)

    def require_dead(self) -> None:
        """Nothing leads back."""
        for attempt in (
            lambda: self.channel.wrap([STORE_DATA]),
            lambda: self.channel.unwrap(self.answer()),
            lambda: self.channel.wrap_store_data(ITEMS, StoreDataPlan(245, 0, 0x80)),
        ):
            with pytest.raises(ChannelError, match="dead; open a new session"):
                attempt()


each_r_mac_level = pytest.mark.parametrize(
    "level", WITH_R_MAC, ids=[f"{level:02X}" for level in WITH_R_MAC]
)
each_level = pytest.mark.parametrize(
    "level", SecurityLevel, ids=[f"{level:02X}" for level in SecurityLevel]
)


# ----------------------------------------------------------------------------------- answers


@each_r_mac_level
@pytest.mark.parametrize("data", [b"", b"\x01", bytes(7)], ids=["empty", "one byte", "7 bytes"])
def test_a_9000_without_an_r_mac_is_refused_and_kills_the_channel(
    level: SecurityLevel, data: bytes
) -> None:
    card = Card(level)
    card.send()
    with pytest.raises(ResponseMacError, match=f"9000 without the R-MAC .* {level:02X} demands"):
        card.channel.unwrap(data + OK)
    card.require_dead()


@each_r_mac_level
@pytest.mark.parametrize("bit", [0, 63])
def test_a_wrong_r_mac_is_refused_and_kills_the_channel(level: SecurityLevel, bit: int) -> None:
    card = Card(level)
    card.send()
    mac, sw = card.answer()[:-2], card.answer()[-2:]
    wrong = (int.from_bytes(mac) ^ 1 << bit).to_bytes(8)
    with pytest.raises(ResponseMacError, match="does not verify") as caught:
        card.channel.unwrap(wrong + sw)
    assert mac.hex().upper() not in str(caught.value).upper()
    card.require_dead()


@each_r_mac_level
def test_the_r_mac_covers_the_status_word(level: SecurityLevel) -> None:
    card = Card(level)
    card.send()
    with pytest.raises(ResponseMacError, match="does not verify"):
        card.channel.unwrap(card.answer(sw=b"\x62\x00")[:-2] + OK)


@each_r_mac_level
def test_an_answer_to_another_command_is_refused(level: SecurityLevel) -> None:
    card = Card(level)
    card.send()
    early = card.answer()
    card.send()
    card.channel.unwrap(early)
    with pytest.raises(ResponseMacError, match="does not verify"):
        card.channel.unwrap(early)


@each_level
@pytest.mark.parametrize("sw", ["6982", "6985", "6A80", "6F00", "6C10", "6110"])
def test_an_error_status_word_has_no_r_mac_and_comes_back_as_it_is(
    level: SecurityLevel, sw: str
) -> None:
    card = Card(level)
    card.send()
    assert card.channel.unwrap(bytes.fromhex(sw)) == bytes.fromhex(sw)
    card.require_dead()


@each_r_mac_level
@pytest.mark.parametrize("sw", ["6200", "6310", "63C5"])
def test_a_warning_needs_its_r_mac_like_a_9000(level: SecurityLevel, sw: str) -> None:
    card = Card(level)
    card.send()
    answer = card.answer(sw=bytes.fromhex(sw))
    assert card.channel.unwrap(answer) == bytes.fromhex(sw)
    card.send()
    with pytest.raises(ResponseMacError, match=f"{sw} without the R-MAC"):
        card.channel.unwrap(bytes.fromhex(sw))


@each_r_mac_level
@pytest.mark.parametrize("mac_size", [8, 16])
def test_an_empty_9000_with_its_r_mac_is_what_store_data_answers(
    level: SecurityLevel, mac_size: int
) -> None:
    card = Card(level, mac_size)
    for _ in range(3):
        card.send()
        assert card.channel.unwrap(card.answer()) == OK


@pytest.mark.parametrize("level", [L01, L03])
def test_without_r_mac_an_answer_is_taken_as_it_is(level: SecurityLevel) -> None:
    card = Card(level)
    card.send(GET_DATA)
    assert card.channel.unwrap(b"\x01\x02" + OK) == b"\x01\x02" + OK


@given(st.binary(max_size=70))
def test_an_encrypted_answer_is_opened(data: bytes) -> None:
    card = Card(L33)
    card.send()
    card.channel.unwrap(card.answer())
    card.send(GET_DATA)
    opened = card.channel.unwrap(card.answer(card.encrypted(dgi.pad(data))))
    assert opened == data + OK


def test_more_than_a_block_of_padding_is_accepted() -> None:
    # A published answer of a card emulation has it: 11 bytes padded to 32.
    card = Card(L33)
    card.send(GET_DATA)
    padded = (bytes(range(11)) + b"\x80").ljust(32, b"\0")
    assert card.channel.unwrap(card.answer(card.encrypted(padded))) == bytes(range(11)) + OK


@pytest.mark.parametrize("size", [1, 15, 17])
def test_an_encrypted_answer_that_is_not_whole_blocks_kills_the_channel(size: int) -> None:
    card = Card(L33)
    card.send(GET_DATA)
    with pytest.raises(ChannelError, match="not whole blocks"):
        card.channel.unwrap(card.answer(bytes(size)))
    card.require_dead()


@pytest.mark.parametrize("padded", [bytes(16), b"\x01" * 16, b"\x80" * 15 + b"\x01"])
def test_an_encrypted_answer_without_its_padding_kills_the_channel(padded: bytes) -> None:
    card = Card(L33)
    card.send(GET_DATA)
    with pytest.raises(ChannelError, match="its padding is wrong"):
        card.channel.unwrap(card.answer(card.encrypted(padded)))
    card.require_dead()


@pytest.mark.parametrize("answer", [b"", b"\x90"])
def test_an_answer_without_a_status_word_kills_the_channel(answer: bytes) -> None:
    card = Card(L11)
    card.send()
    with pytest.raises(AnswerFormatError):
        card.channel.unwrap(answer)
    card.require_dead()


def test_a_closed_channel_stays_closed() -> None:
    card = Card(L11)
    card.send()
    card.channel.close()
    card.channel.close()
    card.require_dead()


def test_an_answer_to_nothing_is_a_mistake_of_the_caller() -> None:
    card = Card(L11)
    with pytest.raises(ValueError, match="answered already"):
        card.channel.unwrap(OK)


@given(st.sampled_from(WITH_R_MAC), st.binary(max_size=40), st.sampled_from([b"", OK, b"\x62\x00"]))
def test_no_invented_answer_passes_a_channel_with_r_mac(
    level: SecurityLevel, invented: bytes, sw: bytes
) -> None:
    card = Card(level)
    card.send()
    try:
        opened = card.channel.unwrap(invented + sw)
    except CardError:
        return
    finally:
        card.require_dead()
    refused = ResponseApdu.decode(opened)
    assert refused.sw != 0x9000
    assert refused.sw1 not in (0x62, 0x63)


# ---------------------------------------------------------------------------------- commands


@pytest.mark.parametrize("mac_size", [8, 16])
def test_the_chaining_value_is_all_16_bytes_of_the_c_mac_before(mac_size: int) -> None:
    card = Card(L01, mac_size)
    first, second = card.channel.wrap([STORE_DATA, STORE_DATA])
    head = bytes((0x84, 0xE2, 0x00, 0x00, 3 + mac_size)) + STORE_DATA[5:]
    # In S8 the half of it that is never sent is chained all the same.
    chain = MAC.cmac(card.chain + head)
    assert first == head + chain[:mac_size]
    assert second == head + MAC.cmac(chain + head)[:mac_size]


@each_level
def test_external_authenticate_begins_the_chain_with_zeros_and_is_never_encrypted(
    level: SecurityLevel,
) -> None:
    card = Card(level)
    front = bytes((0x84, 0x82, level, 0x00, 16)) + HOST_CRYPTOGRAM
    assert card.channel.external_authenticate == front + MAC.cmac(bytes(16) + front)[:8]


@pytest.mark.parametrize("level", [L03, L33])
def test_an_absent_data_field_is_not_padded_but_moves_the_counter(level: SecurityLevel) -> None:
    card = Card(level)
    empty, full = card.channel.wrap([EMPTY_LAST, STORE_DATA])
    assert empty[:5] == bytes.fromhex("84E2800A08")
    assert card.take(empty) == b""
    icv = ENC.encrypt_block((2).to_bytes(16))
    assert card.take(full) == ENC.encrypt_cbc(icv, dgi.pad(STORE_DATA[5:]))


@each_level
@pytest.mark.parametrize("le", ["00", "10"])
def test_le_is_kept_behind_the_mac_which_does_not_cover_it(level: SecurityLevel, le: str) -> None:
    with_le, without = Card(level), Card(level)
    wrapped = with_le.send(GET_DATA[:4] + bytes.fromhex(le))
    assert wrapped[-1:].hex() == le
    assert wrapped[:-1] == without.send(GET_DATA[:4])


def test_the_logical_channel_stays_in_the_cla() -> None:
    card = Card(L01)
    assert card.send(b"\x83" + STORE_DATA[1:])[0] == 0x87


def test_further_logical_channels_have_another_secure_messaging_and_are_refused() -> None:
    with pytest.raises(ValueError, match="CLA C0"):
        Card(L01).channel.wrap([b"\xc0" + STORE_DATA[1:]])


def test_a_data_field_that_outgrows_the_short_form_with_its_mac_becomes_extended() -> None:
    card = Card(L01)
    (wrapped,) = card.channel.wrap([bytes.fromhex("80E20000FF") + bytes(255)])
    front = bytes.fromhex("84E20000000107") + bytes(255)
    assert wrapped == front + MAC.cmac(card.chain + front)[:8]


def test_an_extended_command_stays_extended() -> None:
    (wrapped,) = Card(L01).channel.wrap([bytes.fromhex("80E20000000001AA")])
    assert wrapped[:8] == bytes.fromhex("84E20000000009AA")


@pytest.mark.parametrize("commands", [[STORE_DATA, b"\x80"], [STORE_DATA, STORE_DATA[:-1]]])
def test_a_malformed_command_is_refused_before_any_of_its_batch_is_secured(
    commands: Sequence[bytes],
) -> None:
    card, undisturbed = Card(L33), Card(L33)
    with pytest.raises(ValueError, match=r"command of 1 bytes|Lc says"):
        card.channel.wrap(commands)
    assert card.send() == undisturbed.send()


@each_level
def test_wrapping_ahead_is_wrapping_one_by_one(level: SecurityLevel) -> None:
    ahead, one_by_one = Card(level), Card(level)
    plan = StoreDataPlan(block_size=200, p1=0x00, last_p1=0x80)
    wrapped = ahead.channel.wrap_store_data(ITEMS, plan)
    plain = dgi.store_data(ITEMS, plan, lambda padded: DEK.encrypt_cbc(bytes(16), padded))
    assert wrapped == [one_by_one.send(command.encode()) for command in plain]


@each_level
def test_nothing_secret_is_in_the_repr(level: SecurityLevel) -> None:
    shown = repr(SessionKeys(ENC, MAC, RMAC, DEK)) + repr(Card(level).channel)
    for key in (bytes((first,)) * 16 for first in (0x0E, 0x0A, 0x0C, 0x0D)):
        assert key.hex() not in shown.lower()
        assert str(key)[2:-1] not in shown


def test_the_private_key_goes_under_the_static_dek() -> None:
    card = Card(L01)
    first = card.channel.wrap_store_data(ITEMS, StoreDataPlan(245, 0x00, 0x80))[0]
    grouping = card.take(first)
    assert grouping[:3] == bytes.fromhex("A00330")
    scalar = ITEMS[0].value
    assert isinstance(scalar, Secret)
    padded = DEK.decrypt_cbc(bytes(16), grouping[3:])
    assert padded == bytes(scalar.expose()) + b"\x80" + bytes(15)
