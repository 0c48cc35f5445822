from pathlib import Path

import pytest

from kfasync.bench.pipeline.figures import PLACED, FobTimes
from kfasync.bench.pipeline.floor import VirtualFloor
from kfasync.bench.pipeline.run import Plan, furnish, measure
from kfasync.sim.pcscd import PrivatePcscd

pytestmark = pytest.mark.anyio


async def test_a_line_through_pcscd_begins_with_the_news_of_a_fob(
    tmp_path: Path, anyio_backend_name: str, pcscd: PrivatePcscd
) -> None:
    plan = Plan(lanes=2, fobs=4, card_ms=20)
    seen: list[FobTimes] = []
    loaded = furnish(tmp_path, plan, lambda _: None)
    floor = VirtualFloor(pcscd, plan.lanes)
    assert floor.names() == pcscd.reader_names[:2]
    report = await measure(loaded, plan, anyio_backend_name, seen.append, floor=floor)
    assert (report.passed, report.failed) == (4, 0)
    assert report.conditions.pcscd
    assert {fob.reader for fob in seen} <= set(floor.names())
    # Placed is what the station takes from the news to its first command, and not the 400 ms in
    # which pcscd looks at a virtual reader.
    placed = [span.took_s for fob in seen for span in fob.spans if span.stage == PLACED]
    assert len(placed) == 4
    assert all(0 < took_s < fob.lane_s for took_s, fob in zip(placed, seen, strict=True))
    assert floor.fob_cpu_s > 0
