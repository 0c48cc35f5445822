"""Interleaved rounds: every candidate once a round, in an order that changes.

Machines are shared and change their clock. Candidates that take turns meet the same weather,
and the minimum of many short samples is what the work costs when nobody disturbs it. So the
minima of one run may be divided by each other, and those of two runs may not.
"""

import enum
import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import TypeAlias

import msgspec

# Long against the clock's own 50 ns, short against the time between two interruptions.
SAMPLE_NS = 250_000
CALLS_MAX = 1 << 20

#: Do the work so many times; answered by the nanoseconds that it took once.
Sample: TypeAlias = Callable[[int], float]


class Family(enum.Enum):
    """Whose work it is."""

    PURE = "pure Python"
    CRYPTOGRAPHY = "cryptography"
    NATIVE = "native"
    PEER = "others"


class Candidate(msgspec.Struct, frozen=True):
    """One way of doing one piece of work.

    Attributes:
        id: ``work/way``; ways of the same work may be compared.
        label: the way in words.
    """

    id: str
    label: str
    family: Family
    sample: Sample


class Figure(msgspec.Struct, frozen=True):
    """What one candidate took for doing its work once."""

    id: str
    label: str
    family: Family
    minimum_ns: float
    median_ns: float
    calls: int  # in one sample


def timed(work: Callable[[], object]) -> Sample:
    """A sample that calls ``work`` from Python, whose own call is part of what it costs.

    The first call is not counted: the candidate before has filled the caches with its own, and
    a work of which few fit into a sample would pay for that and a short one would not.
    """

    def sample(calls: int) -> float:
        work()
        began = time.perf_counter_ns()
        for _ in repeat(None, calls):
            work()
        return (time.perf_counter_ns() - began) / calls

    return sample


def measure(
    candidates: Sequence[Candidate],
    *,
    rounds: int | None,
    seconds: float,
    order: random.Random,
) -> tuple[list[Figure], int]:
    """Run rounds and return a figure for each candidate, and how many rounds there were.

    Args:
        rounds: exactly so many; None: as many as fit in ``seconds``, one at least.
        order: shuffles every round anew.
    """
    calls = {candidate.id: warm_up(candidate.sample) for candidate in candidates}
    samples: dict[str, list[float]] = {candidate.id: [] for candidate in candidates}
    turns = list(candidates)
    done, ends = 0, time.monotonic() + seconds
    while done < rounds if rounds is not None else not done or time.monotonic() < ends:
        order.shuffle(turns)
        with _no_collection():
            for candidate in turns:
                samples[candidate.id].append(candidate.sample(calls[candidate.id]))
        done += 1
    return [_figure(candidate, samples[candidate.id], calls) for candidate in candidates], done


def warm_up(sample: Sample) -> int:
    """How many calls make a sample long enough to be timed; caches are warm afterwards."""
    calls = 1
    while True:
        began = time.perf_counter_ns()
        sample(calls)
        if time.perf_counter_ns() - began >= SAMPLE_NS or calls >= CALLS_MAX:
            return calls
        calls *= 2


def _figure(candidate: Candidate, took: list[float], calls: dict[str, int]) -> Figure:
    return Figure(
        candidate.id,
        candidate.label,
        candidate.family,
        min(took),
        statistics.median(took),
        calls[candidate.id],
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    # A collection is charged to whoever happens to be running, not to who made the garbage.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
