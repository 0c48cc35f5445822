"""Readers on USB whose cables are pulled, at a pcscd that sees it as it sees real ones."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from kfasync.cards.pcsc import PcscReaders
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.pcscd import PrivatePcscd
from kfasync.sim.vpcd import VirtualCard
from kfasync.station.assembly import open_station
from kfasync.station.config import LoadedConfig, load
from kfasync.station.events import LaneEvent
from kfasync.station.states import LaneState
from tests.pcsc_fixtures import DIRECTORY
from tests.pcscd.floor import (
    PATIENCE_S,
    Announcing,
    Watcher,
    new_fob,
    serve_until_done,
    write_config,
)
from tests.pcscd.usb import MODEL, UsbReaders, usb_pcscd
from tests.station.desks import sql

pytestmark = pytest.mark.anyio

SERIALS = ["RR-1", "RR-2", "RR-3", "RR-4"]
IN_THE_MIDDLE = 9  # a STORE DATA


@pytest.fixture
def usb(pcscd_of_the_session: PrivatePcscd) -> Iterator[UsbReaders]:
    # At its socket, for libpcsclite asks for that once in the life of a process.
    pcscd_of_the_session.stop()
    with usb_pcscd(DIRECTORY, SERIALS) as readers:
        yield readers


class Line:
    """A station at work, and whoever plugs, unplugs and places."""

    def __init__(self, usb: UsbReaders, watcher: Watcher) -> None:
        self.usb = usb
        self.watcher = watcher
        self.names: dict[str, str] = {}  # of the readers, by serial number
        self.passed: list[SimulatedFob] = []

    async def plug(self, serial: str) -> int:
        """Plug it in, and wait until the station has it; its lane."""
        seen = len(self.watcher.events)
        await to_thread.run_sync(self.usb.plug, serial)
        with anyio.fail_after(PATIENCE_S):
            async with PcscReaders().watch() as news:
                async for event in news:
                    if f"({serial})" in event.reader:
                        self.names[serial] = event.reader
                        break
        return (await self.watcher.emptied(self.names[serial], after=seen)).slot

    async def unplug(self, serial: str) -> LaneEvent:
        seen = len(self.watcher.events)
        await to_thread.run_sync(self.usb.unplug, serial)
        return await self.watcher.wait_for(LaneState.READER_FAULT, self.names[serial], after=seen)

    async def serve(self, serial: str, fob: SimulatedFob) -> None:
        records = await serve_until_done(
            fob, self.names[serial], self.usb.ports[serial], self.watcher
        )
        assert records[-1].outcome == "pass"
        self.passed.append(fob)

    async def unplug_in_mid_write(self, serial: str) -> SimulatedFob:
        """The cable is pulled while a block is on its way; the fob, which lay there."""
        fob, seen = Announcing(new_fob(), IN_THE_MIDDLE), len(self.watcher.events)
        with VirtualCard(fob, self.usb.ports[serial]):
            assert await to_thread.run_sync(fob.reached.wait, PATIENCE_S)
            await to_thread.run_sync(self.usb.unplug, serial)
            result = await self.watcher.result(self.names[serial], after=seen)
            assert result.state is LaneState.BOUND
            fob.go_on.set()
            await self.watcher.wait_for(LaneState.READER_FAULT, self.names[serial], after=seen)
        return fob.fob


async def test_a_reader_that_is_unplugged_in_mid_write_comes_back_under_its_slot(
    tmp_path: Path, usb: UsbReaders
) -> None:
    watcher = Watcher()
    async with (
        open_station(load(write_config(tmp_path, made=12)), PcscReaders(), watcher.tell) as station,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(station.run)
        line = Line(usb, watcher)
        assert [await line.plug(serial) for serial in SERIALS] == [1, 2, 3, 4]
        first, second, third, fourth = SERIALS
        async with anyio.create_task_group() as hands:
            for serial in SERIALS:
                hands.start_soon(line.serve, serial, new_fob())
        torn = await line.unplug_in_mid_write(first)
        # The others go on meanwhile; one is pulled while nothing lies there.
        await line.serve(third, new_fob())
        assert (await line.unplug(second)).slot == 2
        # They come back in another order, and so under other numbers of pcscd.
        old = dict(line.names)
        assert [await line.plug(second), await line.plug(first)] == [2, 1]
        assert (line.names[first], line.names[second]) == (
            f"{MODEL} ({first}) 01 00",
            f"{MODEL} ({second}) 00 00",
        )
        assert line.names != old
        await line.serve(first, torn)
        async with anyio.create_task_group() as hands:
            for serial in (first, second, fourth):
                hands.start_soon(line.serve, serial, new_fob())
        tasks.cancel_scope.cancel()
    lanes = {(event.slot, event.reader.split("(")[1][:4]) for event in watcher.events}
    assert lanes == set(enumerate(SERIALS, 1))
    assert watcher.wrong == []
    assert {fob.personalizations for fob in line.passed} == {1}
    # An attempt that found the fob gone before it had said its UID is nobody's result.
    written = sql(tmp_path / "var", "SELECT attempt FROM record WHERE uid IS NOT NULL")
    assert sorted(written) == sorted((one.attempt,) for one in watcher.records if one.uid)
    states = sql(tmp_path / "var", "SELECT state, count(*) FROM content GROUP BY state")
    assert dict(states) == {"CONSUMED": len(line.passed), "FREE": 12 - len(line.passed)}


async def test_a_reader_has_its_lane_again_after_a_restart(tmp_path: Path, usb: UsbReaders) -> None:
    loaded = load(write_config(tmp_path, made=2))
    assert await lanes_of(loaded, usb, SERIALS[:2]) == [1, 2]
    # A new one is there first now, and has the number that the first one had.
    assert await lanes_of(loaded, usb, [SERIALS[2], SERIALS[1]]) == [3, 2]
    assert await lanes_of(loaded, usb, [SERIALS[0]]) == [1]


async def lanes_of(loaded: LoadedConfig, usb: UsbReaders, serials: list[str]) -> list[int]:
    """Plug these in, one after the other, at a station that has just started; then pull them."""
    watcher = Watcher()
    async with (
        open_station(loaded, PcscReaders(), watcher.tell) as station,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(station.run)
        line = Line(usb, watcher)
        lanes = [await line.plug(serial) for serial in serials]
        for serial in serials:
            await line.unplug(serial)
        tasks.cancel_scope.cancel()
    return lanes
