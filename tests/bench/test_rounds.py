import gc
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.bench.rounds import CALLS_MAX, Candidate, Family, Sample, measure, timed, warm_up


def candidate(name: str, sample: Sample) -> Candidate:
    return Candidate(name, f"the way of {name}", Family.NATIVE, sample)


def told(values: list[float]) -> Sample:
    """A sample that says what it is told to, once it has warmed up."""
    left: Iterator[float] = iter(values)
    warm = False

    def sample(calls: int) -> float:
        nonlocal warm
        if not warm:
            # One long sample ends the warm-up.
            warm = True
            sum(range(100_000))
            return 0.0
        return next(left)

    return sample


def test_each_candidate_has_one_turn_a_round_in_changing_order() -> None:
    turns: list[str] = []

    def taking(name: str) -> Sample:
        def sample(calls: int) -> float:
            turns.append(name)
            sum(range(100_000))
            return 1.0

        return sample

    names = "abcdefgh"
    candidates = [candidate(name, taking(name)) for name in names]
    figures, rounds = measure(candidates, rounds=5, seconds=0, order=random.Random(7))
    measured = turns[-5 * len(names) :]
    each = [measured[at : at + len(names)] for at in range(0, len(measured), len(names))]
    assert rounds == len(each) == 5
    assert all(sorted(one) == list(names) for one in each)
    assert len({tuple(one) for one in each}) > 1
    assert [figure.id for figure in figures] == list(names)


@given(st.lists(st.floats(1, 1e9), min_size=1, max_size=20))
def test_a_figure_is_minimum_and_median_of_its_rounds(values: list[float]) -> None:
    (figure,), rounds = measure(
        [candidate("fob/one", told(values))],
        rounds=len(values),
        seconds=0,
        order=random.Random(1),
    )
    ordered = sorted(values)
    assert rounds == len(values)
    assert figure.minimum_ns == ordered[0]
    middle = (ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2
    assert figure.median_ns == pytest.approx(middle)
    assert (figure.label, figure.family) == ("the way of fob/one", Family.NATIVE)


def test_however_short_the_time_there_is_one_round() -> None:
    _, rounds = measure(
        [candidate("a", told([3.0]))], rounds=None, seconds=0, order=random.Random(1)
    )
    assert rounds == 1


def test_rounds_go_on_until_the_time_is_over() -> None:
    _, rounds = measure(
        [candidate("a", timed(lambda: None))], rounds=None, seconds=0.05, order=random.Random(1)
    )
    assert rounds > 1


def test_no_garbage_is_collected_in_a_round_and_it_is_afterwards() -> None:
    seen: list[bool] = []

    def sample(calls: int) -> float:
        seen.append(gc.isenabled())
        sum(range(100_000))
        return 1.0

    measure([candidate("a", sample)], rounds=2, seconds=0, order=random.Random(1))
    assert seen[-2:] == [False, False]
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        measure([candidate("a", told([1.0]))], rounds=1, seconds=0, order=random.Random(1))
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_sample_calls_the_work_as_often_as_it_says_and_once_before() -> None:
    calls: list[int] = []
    assert timed(lambda: calls.append(1))(17) > 0
    assert len(calls) == 18


def test_work_that_takes_no_time_is_not_warmed_up_for_ever() -> None:
    called: list[int] = []

    def nothing(calls: int) -> float:
        called.append(calls)
        return 0.0

    # Less than the most when the machine was elsewhere for as long as a sample takes.
    assert warm_up(nothing) == called[-1] <= CALLS_MAX


def test_work_that_is_long_is_done_once() -> None:
    assert warm_up(timed(lambda: sum(range(200_000)))) == 1
