import msgspec
import pytest

from kfasync.model import Disposition, Stage
from kfasync.station.advice import Language
from kfasync.station.states import LaneState
from kfasync.web.leadwords import words_of_lead


@pytest.mark.parametrize("language", Language)
def test_every_stage_and_every_end_has_its_word(language: Language) -> None:
    words = words_of_lead(language)
    assert set(words.stage_names) == {stage.value for stage in Stage}
    decisions = {"resolved", "resumed", "acknowledged", "taken-over", "freed", "checked", "red"}
    assert set(words.ends) == {one.value for one in Disposition} | decisions
    states = {state.value for state in LaneState}
    assert {one.state for one in words.ends.values()} <= states | {""}
    assert all(one.word for one in words.ends.values())
    assert set(words.days) == {"1", "7", "30"}


def test_no_sentence_was_left_in_the_other_language() -> None:
    english, german = (msgspec.to_builtins(words_of_lead(one)) for one in Language)
    same = {name for name, said in english.items() if said == german[name]}
    assert same == {"fesn", "most"}
