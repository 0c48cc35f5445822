import pytest

from kfasync.cards.refusal import Refusal, ReturnCode


@pytest.mark.parametrize("code", list(ReturnCode))
def test_a_sentence_begins_with_the_reader(code: ReturnCode) -> None:
    assert Refusal(code, "text").sentence("Reader 00 00").startswith("Reader 00 00: ")


def test_an_unknown_code_is_told_as_pcsc_puts_it() -> None:
    refusal = Refusal(0x80100066, "Card is unresponsive.")
    assert refusal.sentence("R") == "R: the fob does not answer: Card is unresponsive. (0x80100066)"
    assert not refusal.blames_reader


@pytest.mark.parametrize(
    ("code", "blames"),
    [
        (ReturnCode.NO_SERVICE, True),
        (ReturnCode.READER_UNAVAILABLE, True),
        (ReturnCode.SHARING_VIOLATION, True),
        (ReturnCode.NO_SMARTCARD, False),
        (ReturnCode.REMOVED_CARD, False),
    ],
)
def test_what_is_the_readers_fault_is_not_the_fobs(code: ReturnCode, blames: bool) -> None:
    assert Refusal(code, "text").blames_reader is blames
