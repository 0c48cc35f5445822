"""Status words: what each one says."""

import pytest

from kfasync.core.status import StatusWord, meaning


@pytest.mark.parametrize("word", StatusWord, ids=lambda word: str(word.name))
def test_every_status_word_has_a_meaning(word: StatusWord) -> None:
    assert word.meaning


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
    assert "locked for good" in meaning(0x63C0)


@pytest.mark.parametrize("tries", range(1, 16))
def test_63cx_says_how_many_tries_are_left(tries: int) -> None:
    left = "one try is left" if tries == 1 else f"{tries} tries are left"
    assert left in meaning(0x63C0 | tries)
