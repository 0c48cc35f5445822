"""Status words: what each one says to the operator and to the lane."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.core.status import LaneRule, StatusWord, advise
from kfasync.model import Disposition

PASS, FAIL, ERROR = Disposition.PASS, Disposition.FAIL, Disposition.ERROR
GOES_ON, STOPS_AFTER_TWO = LaneRule.GOES_ON, LaneRule.STOPS_AFTER_TWO


@pytest.mark.parametrize("word", StatusWord, ids=lambda word: str(word.name))
def test_every_status_word_has_a_meaning_and_an_action(word: StatusWord) -> None:
    advice = word.advice
    assert advice.meaning
    assert advice.operator_action.endswith(".")
    assert (advice.disposition is PASS) is (word is StatusWord.SUCCESS)


@pytest.mark.parametrize(
    ("sw", "disposition", "lane"),
    [
        (0x9000, PASS, GOES_ON),
        # Keys: a wrong key set fails every fob.
        (0x6982, FAIL, STOPS_AFTER_TWO),
        (0x6983, FAIL, STOPS_AFTER_TWO),
        (0x6300, FAIL, STOPS_AFTER_TWO),
        (0x63C0, FAIL, STOPS_AFTER_TWO),
        (0x63C1, FAIL, STOPS_AFTER_TWO),
        (0x63CF, FAIL, STOPS_AFTER_TWO),
        (0x6988, FAIL, STOPS_AFTER_TWO),
        # Profile or applet: so does a wrong profile.
        (0x6A86, FAIL, STOPS_AFTER_TWO),
        (0x6700, FAIL, STOPS_AFTER_TWO),
        (0x6A80, FAIL, STOPS_AFTER_TWO),
        (0x6D00, FAIL, STOPS_AFTER_TWO),
        (0x6E00, FAIL, STOPS_AFTER_TWO),
        (0x6A82, FAIL, STOPS_AFTER_TWO),
        (0x6A88, FAIL, STOPS_AFTER_TWO),
        (0x6C10, FAIL, STOPS_AFTER_TWO),
        (0x6110, FAIL, STOPS_AFTER_TWO),
        # Personalized before: a tray of these would use up a container each.
        (0x6985, FAIL, STOPS_AFTER_TWO),
        # One card is broken; the next one is another card.
        (0x6581, FAIL, GOES_ON),
        (0x6A84, FAIL, GOES_ON),
        (0x6F00, FAIL, GOES_ON),
        # Nobody foresaw these, so they are never a pass.
        (0x6200, ERROR, GOES_ON),
        (0x9001, ERROR, GOES_ON),
        (0x0000, ERROR, GOES_ON),
        (0xFFFF, ERROR, GOES_ON),
    ],
    ids=lambda value: f"{value:04X}" if isinstance(value, int) else str(value.value),
)
def test_the_table_of_dispositions(sw: int, disposition: Disposition, lane: LaneRule) -> None:
    advice = advise(sw)
    assert (advice.disposition, advice.lane) == (disposition, lane)


@pytest.mark.parametrize(
    ("sw", "word"),
    [
        (0x6100, StatusWord.MORE_DATA),
        (0x61FF, StatusWord.MORE_DATA),
        (0x6C00, StatusWord.WRONG_LE),
        (0x6CFF, StatusWord.WRONG_LE),
        (0x63C0, StatusWord.RETRIES_LEFT),
        (0x63CF, StatusWord.RETRIES_LEFT),
        (0x63B0, StatusWord.UNKNOWN),
        (0x63D0, StatusWord.UNKNOWN),
        (0x6983, StatusWord.AUTHENTICATION_METHOD_BLOCKED),
        (-1, StatusWord.UNKNOWN),
    ],
)
def test_a_family_stands_under_its_first_member(sw: int, word: StatusWord) -> None:
    assert StatusWord.of(sw) is word


def test_63c0_is_locked_for_good() -> None:
    assert "locked for good" in advise(0x63C0).meaning
    assert advise(0x63C0) != StatusWord.RETRIES_LEFT.advice


@pytest.mark.parametrize("tries", range(1, 16))
def test_63cx_says_how_many_tries_are_left(tries: int) -> None:
    left = "one try is left" if tries == 1 else f"{tries} tries are left"
    assert left in advise(0x63C0 | tries).meaning


@given(st.integers(0, 0xFFFF))
def test_only_9000_is_a_pass(sw: int) -> None:
    assert (advise(sw).disposition is PASS) is (sw == 0x9000)
