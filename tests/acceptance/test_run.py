from pathlib import Path

import pytest

from kfasync.acceptance.run import NAMES, Examiner, contents_needed
from kfasync.errors import ConfigError
from tests.acceptance.examined import example, failed, fresh, job
from tests.native_build import reference_provider


def test_the_reference_provider_passes_with_just_as_much_content_as_is_asked_for(
    tmp_path: Path,
) -> None:
    assert failed(job(reference_provider(), fresh(tmp_path))) == {}


def test_the_example_passes(tmp_path: Path) -> None:
    assert failed(job(example(), {"state": str(tmp_path / "state")})) == {}


def test_verdicts_come_in_the_order_of_the_checks_and_say_why(tmp_path: Path) -> None:
    wanted = ("table-is-complete", "same-unit-same-content")
    with Examiner() as examiner:
        said, verdicts = examiner.examine(job(reference_provider(), fresh(tmp_path), *wanted))
        assert (said.name, said.version) == ("kfasync containers", "0.1.0")
        every = list(verdicts)
    assert [verdict.name for verdict in every] == list(wanted)
    assert all(verdict.reason and verdict.duration_s > 0 for verdict in every)


def test_a_pool_that_is_too_small_is_said_before_any_check_uses_it_up(tmp_path: Path) -> None:
    config = fresh(tmp_path)
    assert failed(job(reference_provider(), config, "outcome-is-final")) == {}
    every = job(reference_provider(), config)
    left = contents_needed(every) - 2  # one has passed, one has failed
    with (
        pytest.raises(ConfigError, match=f"has {left} free contents, the checks need"),
        Examiner() as examiner,
    ):
        examiner.examine(every)


def test_a_library_that_does_not_open_is_checked_all_the_same(tmp_path: Path) -> None:
    config = {**fresh(tmp_path), "kvn": 256}
    names = ("loads-silently", "same-unit-same-content")
    with Examiner() as examiner:
        said, verdicts = examiner.examine(job(reference_provider(), config, *names))
        assert said.trouble is not None
        assert "kvn" in said.trouble
        assert [verdict.finding is None for verdict in verdicts] == [True, False]


def test_whoever_stops_listening_ends_the_run(tmp_path: Path) -> None:
    with Examiner() as examiner:
        _, verdicts = examiner.examine(job(reference_provider(), fresh(tmp_path)))
        assert next(verdicts).name == NAMES[0]
    with pytest.raises(ValueError, match="closed"):
        next(verdicts)
