"""The same through a real pcscd, which is restarted in the middle of it.

SOAK_PCSC_FOBS and SOAK_PCSC_LOOPS say how long it is, and on which loops.
"""

import os
from pathlib import Path

import pytest

from tests.soak.day import Day
from tests.soak.desk import Desk
from tests.soak.plan import PCSC_INCIDENTS, draw
from tests.soak.verdict import DOWN_S, FAULTS, LANES, SEED, require_all_accounted_for

FOBS = int(os.environ.get("SOAK_PCSC_FOBS", "20"))
LOOPS = os.environ.get("SOAK_PCSC_LOOPS", "trio").split()


@pytest.mark.parametrize("loop", LOOPS)
def test_every_fob_of_a_bad_day_through_pcsc_is_accounted_for(tmp_path: Path, loop: str) -> None:
    plan = draw(SEED, FOBS, LANES, PCSC_INCIDENTS)
    require_all_accounted_for(Day(plan, tmp_path, loop, FAULTS, DOWN_S, kind=Desk))
