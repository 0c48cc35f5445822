"""A bad day on the line, in fast motion; then the auditor.

SOAK_FOBS and SOAK_LOOPS say how long it is, and on which loops; for the rest see `verdict.py`.
"""

import os
from pathlib import Path

import pytest

from tests.soak.day import Day
from tests.soak.plan import INCIDENTS, Fate, draw
from tests.soak.verdict import DOWN_S, FAULTS, LANES, SEED, require_all_accounted_for

FOBS = int(os.environ.get("SOAK_FOBS", "32"))
LOOPS = os.environ.get("SOAK_LOOPS", "asyncio").split()  # the other one has its day through PC/SC


@pytest.mark.parametrize("loop", LOOPS)
def test_every_fob_of_a_bad_day_is_accounted_for(tmp_path: Path, loop: str) -> None:
    require_all_accounted_for(Day(draw(SEED, FOBS, LANES), tmp_path, loop, FAULTS, DOWN_S))


def test_another_seed_is_another_day_and_the_same_the_same() -> None:
    days = [draw(seed, 200, 16) for seed in range(20)]
    assert len({day.fingerprint for day in days}) == len(days)
    assert days[7].fingerprint == draw(7, 200, 16).fingerprint


def test_a_day_has_what_it_is_to_have() -> None:
    plan = draw(1, 2000, 16)
    fates = [fob.fate for fob in plan.fobs]
    assert {fate: fates.count(fate) for fate in Fate if fate is not Fate.GOOD} == {
        Fate.TORN: 50,
        Fate.TORN_BACK: 50,
        Fate.HUNG: 20,
        Fate.DEFECTIVE: 20,
        Fate.WRONG_KEYS: 20,
        Fate.TWIN: 1,
    }
    assert len({fob.uid for fob in plan.fobs}) == len(plan.fobs) - 1
    assert sorted(one.what.name for one in plan.incidents) == sorted(w.name for w in INCIDENTS)
