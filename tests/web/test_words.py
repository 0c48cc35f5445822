import re
from pathlib import Path

import msgspec
import pytest

from kfasync.station import checks
from kfasync.station.advice import Do, Language
from kfasync.station.batch import CheckState, Role
from kfasync.station.states import RESULTS, LaneState
from kfasync.web.words import words_of_page


@pytest.mark.parametrize("language", Language)
def test_every_state_and_verb_has_a_word_and_what_to_do_comes_from_somewhere(
    language: Language,
) -> None:
    words = words_of_page(language, "EOL-01")
    assert (words.language, words.station) == (language.value, "EOL-01")
    assert set(words.states) == {state.value for state in LaneState}
    assert set(words.verbs) == {do.value for do in Do}
    # Advice says it of every result but the one after which nothing is left to say.
    assert set(words.glance) == {
        state.value for state in LaneState if state not in RESULTS - {LaneState.PASS}
    }


def test_the_languages_say_the_same_with_the_same_gaps() -> None:
    english, german = (
        msgspec.to_builtins(words_of_page(language, ""))
        for language in (Language.ENGLISH, Language.GERMAN)
    )
    for name, said in english.items():
        assert re.findall("{}", str(said)) == re.findall("{}", str(german[name])), name


@pytest.mark.parametrize("language", Language)
def test_every_check_and_how_it_stands_has_a_word(language: Language) -> None:
    words = words_of_page(language, "")
    assert set(words.check_states) == {state.value for state in CheckState}
    roles = {role.value for role in Role}
    source = (Path(checks.__file__)).read_text("utf-8")
    named = set(re.findall(r'[Cc]heck, "([a-z ]+)"|[Cc]heck\("([a-z ]+)"', source))
    assert {one or other for one, other in named} | roles | {"station"} == set(words.check_names)
