import datetime

import pytest

from kfasync.sources.klms.warnings import CLOCK, Warnings
from tests.sources.klms.world import Told

NOW = datetime.datetime(2026, 3, 2, 8, 15, 30, tzinfo=datetime.UTC)


def test_a_warning_is_told_when_it_begins_changes_and_is_over() -> None:
    told = Told()
    warnings = Warnings(told)
    for sentence in ("", "one", "one", "two", "", ""):
        warnings.set("topic", sentence)
    assert told.of("topic") == ["one", "two", ""]


@pytest.mark.parametrize(
    ("server_time", "words"),
    [
        ("2026-03-02T08:15:29Z", None),
        ("2026-03-02T08:16:30Z", None),
        ("2026-03-02T09:15:30Z", "60 minutes ahead of"),
        ("2026-03-02T08:10:30+00:00", "5 minutes behind"),
        ("yesterday", None),
        ("2026-03-02T08:00:00", None),  # without a zone it says nothing
    ],
)
def test_clocks_that_are_apart(server_time: str, words: str | None) -> None:
    told = Told()
    Warnings(told).compare_clocks(server_time, NOW)
    assert len(told.of(CLOCK)) == (words is not None)
    assert words is None or words in told.of(CLOCK)[0]


def test_clocks_that_agree_again() -> None:
    told = Told()
    warnings = Warnings(told)
    warnings.compare_clocks("2026-03-02T09:15:30Z", NOW)
    warnings.compare_clocks("2026-03-02T09:15:40Z", NOW)
    warnings.compare_clocks("2026-03-02T08:15:30Z", NOW)
    assert [bool(sentence) for sentence in told.of(CLOCK)] == [True, False]
