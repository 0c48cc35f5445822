"""Verdict: a day is carried out, and every fob has to be accounted for.

SOAK_SEED says which day, SOAK_LANES and SOAK_DOWN_S how many lanes there are and for how long the
key server is away; `-s` shows what there was.
"""

import os

from tests.soak.auditor import audit
from tests.soak.day import Day

LANES = int(os.environ.get("SOAK_LANES", "8"))
DOWN_S = float(os.environ.get("SOAK_DOWN_S", "2"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
# Of the requests to the key server, 5 % in all.
FAULTS = (
    *("503=0.01", "429=0.005", "latency=0.005", "cut-before=0.005", "cut-after=0.005"),
    *("expired=0.005", "truncated=0.005", "bit-flip=0.005", "wrong-uid=0.003", "wrong-suite=0.002"),
)


def require_all_accounted_for(day: Day) -> None:
    """From the first fob to the auditor's report."""
    print(f"\nseed {day.plan.seed}, day {day.plan.fingerprint}, {day.loop}")
    day.run()
    report = audit(day.books())
    print(f"{day.story()}\n{report.table()}")
    assert report.violations == 0, report.table()
    assert not [one for one in day.shown.values() if one.given_up]
