"""Looks at the ledger from the page's process: one at a time, with pauses, and not too many."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import anyio
import msgspec
import pytest

from kfasync.errors import LedgerError
from kfasync.ledger.history import History
from kfasync.station.advice import Language
from kfasync.web.past import Busy, Lines, Past, Stages, Whole, Yield
from tests.web.histories import fill
from tests.web.pages import PATIENCE_S

SLOW_S = 0.03


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    fill(tmp_path, 20)
    with closing(Past(tmp_path, Language.ENGLISH)) as opened:
        yield opened


def test_looks_are_one_at_a_time_and_leave_nine_tenths_to_the_lanes(past: Past) -> None:
    spans: list[tuple[float, float]] = []

    def slow(history: History) -> Lines:
        began_s = time.monotonic()
        while time.monotonic() < began_s + SLOW_S:
            history.lines(most=1)
        spans.append((began_s, time.monotonic()))
        return Lines([], None)

    async def ask() -> None:
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(past.look(slow))

    asyncio.run(ask())
    assert len(spans) == 4
    for (_, ended_s), (began_s, _) in pairwise(spans):
        assert began_s - ended_s >= 8.9 * SLOW_S


def test_more_than_look_at_a_page_are_sent_away(past: Past) -> None:
    async def ask() -> list[bytes | BaseException | None]:
        async with asyncio.timeout(PATIENCE_S):
            asked = [past.look(past.lines("", None)) for _ in range(20)]
            return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(ask())
    assert sum(isinstance(one, Busy) for one in answers) == 4
    assert sum(isinstance(one, bytes) for one in answers) == 16


def test_what_is_found_is_json(past: Past) -> None:
    async def ask() -> list[bytes | None]:
        looks = (past.lines("", None), past.yields(7), past.stages, past.record(20))
        return [await past.look(look) for look in looks]

    lines, yields, stages, record = asyncio.run(ask())
    assert len(msgspec.json.decode(lines or b"", type=Lines).lines) == 20
    assert msgspec.json.decode(yields or b"", type=Yield).passed == 16
    assert msgspec.json.decode(stages or b"", type=Stages).fobs == 16
    assert msgspec.json.decode(record or b"", type=Whole).number == 20
    assert asyncio.run(past.look(past.record(21))) is None


def test_one_fob_is_enough_for_times_and_none_for_a_yield(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    past = Past(tmp_path, Language.ENGLISH)
    history = History.open(tmp_path / "ledger.sqlite3")
    (first, *_) = Past.stages(history).stages
    assert first.p50_ms == first.p95_ms == first.most_ms
    history.close()
    fill(tmp_path / "other", 0)
    history = History.open(tmp_path / "other" / "ledger.sqlite3")
    assert past.yields(1)(history).part is None
    assert Past.stages(history) == Stages(0, [])
    history.close()


def test_a_ledger_that_is_not_there_is_looked_for_each_time(tmp_path: Path) -> None:
    past = Past(tmp_path, Language.ENGLISH)
    with pytest.raises(LedgerError):
        anyio.run(past.look, past.stages)
    fill(tmp_path, 1)
    assert anyio.run(past.look, past.stages) is not None
    past.close()
