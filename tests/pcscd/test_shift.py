"""A shift on four readers of a private pcscd: everything that a day brings, on one station."""

from collections import Counter
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from kfasync.cards.pcsc import PcscReaders
from kfasync.model import KeySet
from kfasync.secret import Secret
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.pcscd import PrivatePcscd
from kfasync.sim.vpcd import VirtualCard
from kfasync.station.assembly import open_station
from kfasync.station.config import load
from kfasync.station.states import LaneState
from kfasync.station.station import Station
from kfasync.station.words import ENGLISH, why
from tests.pcscd.floor import (
    Announcing,
    Watcher,
    new_fob,
    sample_keys,
    serve_until_done,
    write_config,
)
from tests.station.desks import sql

pytestmark = pytest.mark.anyio

IN_THE_MIDDLE = 9  # a STORE DATA


def with_other_keys() -> SimulatedFob:
    keys = sample_keys()
    enc, mac, dek = (Secret(bytes(16)) for _ in range(3))
    other = KeySet(keys.kvn, enc, mac, dek, keys.kcv)
    return SimulatedFob(uid=new_fob().uid, keys=other)


class Day:
    """A station at work on four readers, and what is done to it."""

    def __init__(self, pcscd: PrivatePcscd, station: Station, watcher: Watcher) -> None:
        self.pcscd = pcscd
        self.station = station
        self.watcher = watcher
        self.fobs: list[SimulatedFob] = []

    async def serve(self, reader: str, fob: SimulatedFob) -> str:
        """One fob until it is done; how it ended."""
        self.fobs.append(fob)
        records = await serve_until_done(fob, reader, self.pcscd.port(reader), self.watcher)
        return records[-1].disposition

    async def serve_each(self, count: int) -> None:
        """Fobs come and go on all readers at once."""

        async def work(reader: str) -> None:
            for _ in range(count):
                assert await self.serve(reader, new_fob()) == "pass"

        async with anyio.create_task_group() as hands:
            for reader in self.pcscd.reader_names:
                hands.start_soon(work, reader)

    async def lose_the_readers_in_mid_write(self, readers: list[str]) -> None:
        """pcscd dies while fobs are written, and all readers are gone; then all are back."""
        torn = {reader: Announcing(new_fob(), IN_THE_MIDDLE) for reader in readers}
        cards = {reader: VirtualCard(fob, self.pcscd.port(reader)) for reader, fob in torn.items()}
        seen = len(self.watcher.events)
        for card in cards.values():
            await to_thread.run_sync(card.insert)
        for fob in torn.values():
            await to_thread.run_sync(fob.reached.wait)
        await to_thread.run_sync(self.pcscd.kill)
        for fob in torn.values():
            fob.go_on.set()
        for reader, card in cards.items():
            event = await self.watcher.result(reader, after=seen)
            assert event.state is LaneState.BOUND
            await to_thread.run_sync(card.remove)
        for reader in self.pcscd.reader_names:
            await self.watcher.wait_for(LaneState.READER_FAULT, reader, after=seen)
        back = len(self.watcher.events)
        await to_thread.run_sync(self.pcscd.start)
        for reader in self.pcscd.reader_names:
            await self.watcher.emptied(reader, after=back)
        for reader, announced in torn.items():
            assert await self.serve(reader, announced.fob) == "pass"

    async def stop_a_lane_and_resume_it(self, reader: str) -> None:
        """Two wrong key sets in a row; what is placed then is not taken until a person says so."""
        seen = len(self.watcher.events)
        for _ in range(2):
            assert await self.serve(reader, with_other_keys()) == "fail"
        stopped = await self.watcher.wait_for(LaneState.STOPPED, reader, after=seen)
        placed = new_fob()
        card = VirtualCard(placed, self.pcscd.port(reader))
        count = len(self.watcher.events)
        await to_thread.run_sync(card.insert)
        told = await self.watcher.wait_for(LaneState.STOPPED, reader, after=count)
        assert why(told, ENGLISH).startswith("this fob is not taken, the lane has stopped: ")
        assert placed.log == ()
        self.station.resume(stopped.slot)
        result = await self.watcher.result(reader, after=count)
        assert result.state is LaneState.PASS
        self.fobs.append(placed)
        await to_thread.run_sync(card.remove)
        await self.watcher.emptied(reader, after=count)


async def test_a_day_on_four_readers(tmp_path: Path, pcscd: PrivatePcscd) -> None:
    watcher = Watcher()
    config = write_config(tmp_path, made=24)
    async with (
        open_station(load(config), PcscReaders(), watcher.tell) as station,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(station.run)
        day = Day(pcscd, station, watcher)
        first, second, third, _ = pcscd.reader_names
        await day.serve_each(1)
        await day.lose_the_readers_in_mid_write([first, second])
        async with anyio.create_task_group() as hands:
            # The others work on while one lane is stopped.
            hands.start_soon(day.stop_a_lane_and_resume_it, third)
            hands.start_soon(day.serve, first, new_fob())
        await day.serve_each(1)
        tasks.cancel_scope.cancel()

    # A slot is the reader's, whatever it went through.
    slots = {(event.reader, event.slot) for event in watcher.events}
    assert slots == set(zip(pcscd.reader_names, range(1, 5), strict=True))
    # Every step is in the table, and every result was shown once.
    assert watcher.wrong == []
    written = sql(tmp_path / "var", "SELECT count(*) FROM record")
    assert written == [(len(watcher.records),)]
    assert len({record.attempt for record in watcher.records}) == len(watcher.records)
    # Nobody passed wrongly: what is shown as passed is what the fobs say of themselves.
    passed = Counter(r.uid for r in watcher.records if r.outcome == "pass")
    assert set(passed.values()) == {1}
    finished = {fob.uid.hex().upper() for fob in day.fobs if fob.personalizations}
    assert set(passed) == finished
    assert {fob.personalizations for fob in day.fobs} == {0, 1}
    shown = {event.state for event in watcher.events}
    assert shown == set(LaneState) - {LaneState.WAITING, LaneState.IN_DOUBT, LaneState.RETRY}
