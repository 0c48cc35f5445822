"""A native channel: what it does beyond the contract of every path."""

import pytest

from kfasync.core.apdu import CommandApdu
from kfasync.crypto.native import PENDING_MAX, NativePath, tiers
from kfasync.errors import AnswerFormatError, ChannelError, ResponseMacError
from tests.contracts.test_crypto_path import opening
from tests.core.hand import KEYS

PATH = NativePath(tiers()[0])
COMMAND = bytes.fromhex("80CA9F7F00")


def test_more_commands_than_can_wait_for_answers_are_refused() -> None:
    channel = PATH.load(KEYS[128]).open_session(opening())
    channel.wrap([COMMAND] * PENDING_MAX)
    with pytest.raises(ValueError, match=f"more than {PENDING_MAX} commands"):
        channel.wrap([COMMAND])


def test_a_command_that_is_too_long_to_be_secured_is_refused() -> None:
    channel = PATH.load(KEYS[128]).open_session(opening())
    longest = CommandApdu(0x80, 0xE2, 0, 0, data=bytes(65535), extended=True).encode()
    with pytest.raises(ValueError, match="too long to be secured"):
        channel.wrap([longest])
    assert len(channel.wrap([COMMAND])) == 1


def test_a_refused_batch_leaves_the_channel_as_it_was() -> None:
    slot, asked = PATH.load(KEYS[128]), opening()
    expected = slot.open_session(asked).wrap([COMMAND, COMMAND])
    channel = slot.open_session(asked)
    first = channel.wrap([COMMAND])
    with pytest.raises(ValueError, match="has no header"):
        channel.wrap([COMMAND, b"\x80"])
    with pytest.raises(ValueError, match="on channels 0 to 3 only"):
        channel.wrap([COMMAND, b"\x40\xca\x00\x00"])
    assert first + channel.wrap([COMMAND]) == expected


def test_an_answer_too_many_is_a_mistake_of_the_caller() -> None:
    channel = PATH.load(KEYS[128]).open_session(opening())
    with pytest.raises(ValueError, match="answered already"):
        channel.unwrap(b"\x90\x00")
    channel.wrap([COMMAND])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", AnswerFormatError),
        (b"\x90", AnswerFormatError),
        (b"\x90\x00", ResponseMacError),
        (bytes(7) + b"\x90\x00", ResponseMacError),
        (bytes(8) + b"\x90\x00", ResponseMacError),
    ],
)
def test_a_wrong_answer_ends_the_session(answer: bytes, error: type[Exception]) -> None:
    channel = PATH.load(KEYS[128]).open_session(opening())
    channel.wrap([COMMAND, COMMAND])
    with pytest.raises(error):
        channel.unwrap(answer)
    with pytest.raises(ChannelError, match="dead"):
        channel.unwrap(answer)


@pytest.mark.parametrize("sw", [b"\x69\x82", b"\x90\x01", b"\x6a\x80"])
def test_a_refusal_comes_back_as_it_is_and_ends_the_session(sw: bytes) -> None:
    channel = PATH.load(KEYS[128]).open_session(opening())
    channel.wrap([COMMAND, COMMAND])
    assert channel.unwrap(sw) == sw
    with pytest.raises(ChannelError, match="dead"):
        channel.unwrap(sw)
