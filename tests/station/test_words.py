import pytest

from kfasync.station.advice import Do, Language
from kfasync.station.states import LaneState
from kfasync.station.words import Words, words_of


@pytest.mark.parametrize("language", Language)
def test_every_language_has_a_short_word_for_every_state_and_one_for_every_verb(
    language: Language,
) -> None:
    words: Words = words_of(language)
    assert words.language is language
    assert set(words.states) == set(LaneState)
    assert len(set(words.states.values())) == len(LaneState)
    assert max(map(len, words.states.values())) <= 12
    assert set(words.verbs) == set(Do)
