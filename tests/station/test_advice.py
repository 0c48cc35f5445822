"""Every cause that an attempt can end with has a row, in every language."""

import re
from collections.abc import Iterator

import pytest

from kfasync import errors
from kfasync.contracts.klms_problems import Problem
from kfasync.core.status import StatusWord
from kfasync.errors import KfError, KlmsError
from kfasync.model import Disposition
from kfasync.station.advice import (
    CATALOGUE,
    OTHERWISE,
    Do,
    LaneRule,
    Language,
    key_of,
    of_error,
    sentence,
    verb,
)
from kfasync.station.advice_de import CATALOGUE as GERMAN

# Never the end of an attempt: of the configuration, the command line and the bench. A key server's
# error goes by its code, a link error by how far the fob was written, a status word by itself.
NO_ATTEMPTS = {
    errors.ConfigError,
    errors.CryptoPathError,
    errors.LaneError,
    errors.LaneStoppedError,
    errors.NoStationError,
    errors.StoppedError,
    errors.KlmsError,
    errors.LinkError,
    errors.HungCardError,
    errors.StatusWordError,
}


def kinds(kind: type[KfError] = KfError) -> Iterator[type[KfError]]:
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield below
            yield from kinds(below)


def causes() -> Iterator[str]:
    """Everything that the code can name as a cause."""
    yield from ("fault", "pass", "recovered", "stopped", "locked")
    for left in ("torn", "hung"):
        for disposition in (Disposition.RETRY, Disposition.BOUND, Disposition.IN_DOUBT):
            yield f"{left}:{disposition.value}"
    yield from (word.name for word in StatusWord)
    yield from (problem.code for problem in Problem)
    yield from (kind.__name__ for kind in kinds() if kind not in NO_ATTEMPTS)


def test_every_cause_that_the_code_can_raise_has_a_row_and_no_row_is_without_cause() -> None:
    assert set(CATALOGUE) == set(causes())


def test_german_has_the_same_rows() -> None:
    assert set(GERMAN) == set(CATALOGUE)


@pytest.mark.parametrize("cause", CATALOGUE)
def test_a_row_says_what_happened_and_what_to_do(cause: str) -> None:
    for happened, action in (
        (CATALOGUE[cause].happened, CATALOGUE[cause].action),
        GERMAN[cause],
    ):
        assert happened
        assert not happened.endswith(".")
        assert action.endswith(".")
        assert "\n" not in happened + action


@pytest.mark.parametrize("cause", CATALOGUE)
def test_the_verb_and_the_sentence_say_the_same(cause: str) -> None:
    row = CATALOGUE[cause]
    words = {
        Do.TAKE: r"^Take",
        Do.PLACE: r"^Place",
        Do.ASIDE: r"aside",
        Do.REJECT: r"reject bin",
        Do.KEEP: r"^Keep|^Stop",
    }
    assert re.search(words[row.do], row.action), row


def test_only_a_fob_that_passed_is_taken_as_good_and_a_stop_is_never_after_a_pass() -> None:
    passed = {c for c, row in CATALOGUE.items() if row.disposition is Disposition.PASS}
    assert passed == {"pass", "SUCCESS"}
    assert all(
        row.lane is LaneRule.GOES_ON
        for row in CATALOGUE.values()
        if row.disposition in (Disposition.PASS, Disposition.RECOVERED)
    )


def test_a_class_without_a_row_has_that_of_the_one_above_it() -> None:
    class NewError(errors.SourceError):
        pass

    assert of_error(NewError("x")) == CATALOGUE["SourceError"]
    assert of_error(KlmsError("new", "x", "Stop.")) == CATALOGUE["SourceError"]
    assert of_error(ZeroDivisionError()) is OTHERWISE


@pytest.mark.parametrize(
    ("cause", "disposition", "sw", "german"),
    [
        ("torn", "bound", None, "Der Fob wurde zu früh weggenommen. Denselben Fob noch einmal "),
        ("MEMORY_FAILURE", "fail", "6581", "Der Speicher des Fobs ist ausgefallen (6581). Fob ist"),
        ("RETRIES_LEFT", "fail", "63C0", "Der Fob nimmt die Schlüssel nicht an und ist endgültig"),
        ("pool-empty", "error", None, "Es ist kein Inhalt mehr da. Stopp."),
    ],
)
def test_a_record_is_read_in_the_language_asked_for(
    cause: str, disposition: str, sw: str | None, german: str
) -> None:
    key = key_of(cause, disposition, sw)
    assert sentence(key, sw, "message", "Action.", Language.GERMAN).startswith(german)
    assert sentence(key, sw, "message", "Action.", Language.ENGLISH) == "message. Action."
    assert verb(key) is CATALOGUE[key].do


def test_a_cause_that_is_in_no_table_stays_as_the_record_has_it() -> None:
    key = key_of("from-2030", "error", None)
    assert sentence(key, None, "message", "Action.", Language.GERMAN) == "message. Action."
    assert verb(key) is Do.ASIDE
