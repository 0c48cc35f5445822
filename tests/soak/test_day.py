"""A bad day on the line, in fast motion; then the auditor.

SOAK_FOBS, SOAK_LANES, SOAK_DOWN_S and SOAK_SEED say how long a day, and which one; `-s` shows what
there was.
"""

import os
import random
from pathlib import Path

import pytest

from tests.soak.auditor import audit
from tests.soak.day import Day
from tests.soak.plan import INCIDENTS, Fate, draw

FOBS = int(os.environ.get("SOAK_FOBS", "48"))
LANES = int(os.environ.get("SOAK_LANES", "8"))
DOWN_S = float(os.environ.get("SOAK_DOWN_S", "2"))  # the key server is away for so long
SEED = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(1 << 32))


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_every_fob_of_a_bad_day_is_accounted_for(tmp_path: Path, loop: str) -> None:
    plan = draw(SEED, FOBS, LANES)
    print(f"\nseed {SEED}, day {plan.fingerprint}, {loop}")
    day = Day(plan, tmp_path, loop, down_s=DOWN_S)
    day.run()
    report = audit(day.books())
    print(f"{day.story()}\n{report.table()}")
    assert report.violations == 0, report.table()
    assert not [one for one in day.shown.values() if one.given_up]


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
