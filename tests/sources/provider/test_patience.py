"""How long a library may say that it is not available."""

from kfasync.sources.provider.patience import ANSWERS, FIRST_S, LONGEST_S, Patience


class Clock:
    def __init__(self) -> None:
        self.now_s = 5.0

    def __call__(self) -> float:
        return self.now_s


def ended_after_s(patience: Patience, clock: Clock, step_s: float = 1.0) -> float:
    began = clock.now_s
    while not patience.ends():
        clock.now_s += step_s
    return clock.now_s - began


def test_it_takes_both_many_answers_and_a_while() -> None:
    clock = Clock()
    patience = Patience(clock)
    assert not any(patience.ends() for _ in range(3 * ANSWERS))
    clock.now_s += FIRST_S
    assert patience.ends()
    clock.now_s += LONGEST_S
    assert not any(patience.ends() for _ in range(ANSWERS))


def test_the_next_time_is_twice_as_far_away_and_never_too_far() -> None:
    clock = Clock()
    patience = Patience(clock)
    waits = [ended_after_s(patience, clock) for _ in range(9)]
    assert waits[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert waits[-2:] == [LONGEST_S, LONGEST_S]


def test_any_other_answer_begins_it_again() -> None:
    clock = Clock()
    patience = Patience(clock)
    ended_after_s(patience, clock)
    patience.answered()
    assert ended_after_s(patience, clock) == FIRST_S
