"""Whoever goes through the check list: at the start, when asked, and while it is red."""

from pathlib import Path

import anyio
import anyio.lowlevel
import msgspec
import pytest

from kfasync.sim.reader import SimulatedReaders
from kfasync.station.batch import Batch, CheckState
from kfasync.station.follower import Notice
from kfasync.station.inspector import Inspector
from kfasync.station.start import ShiftSection
from tests.station.desks import PATIENCE_S, furnish, open_desk, sql

pytestmark = pytest.mark.anyio
RED = CheckState.RED


async def test_a_look_is_told_and_written_down_and_a_red_one_is_repeated(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    readers, told, right = SimulatedReaders(["A"]), list[Notice](), anyio.Event()
    readers.unplug("A")

    def tell(news: Notice) -> None:
        told.append(news)
        if not news.problem:
            right.set()

    async with open_desk(loaded) as desk:
        desk = msgspec.structs.replace(desk, batch=Batch(ShiftSection(), gated=True))
        inspector = Inspector(loaded, desk, readers, tell, again_s=0.1, show_s=0.02)
        checks = await inspector.look("start")
        assert [one.name for one in checks if one.state is CheckState.RED] == ["readers"]
        assert "readers red" in told[-1].problem
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(inspector.run)
                readers.plug("A")
                await right.wait()
                tasks.cancel_scope.cancel()
        await inspector.look("command line")
    rows = sql(tmp_path / "var", "SELECT disposition, json_extract(json, '$.by') FROM record")
    assert rows == [
        ("red", "start"),
        ("checked", "the station"),
        ("checked", "command line"),
    ]


async def test_a_ledger_that_gives_way_is_told_and_ends_no_station(tmp_path: Path) -> None:
    loaded, told = furnish(tmp_path), anyio.Event()

    def tell(news: Notice) -> None:
        if "cannot be used" in news.problem:
            told.set()

    readers = SimulatedReaders(["A"])
    readers.unplug("A")
    async with open_desk(loaded) as desk:
        desk = msgspec.structs.replace(desk, batch=Batch(ShiftSection(), gated=True))
        inspector = Inspector(loaded, desk, readers, tell, again_s=0.04, show_s=0.02)
        await inspector.look("start")
        desk.ledger.close()
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(inspector.run)
                await told.wait()
                readers.plug("A")
                while {one.name: one.state for one in desk.batch.checks()}["readers"] is RED:
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
