"""A running station on the readers of a private pcscd."""

from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from kfasync.audit.record import AttemptRecord
from kfasync.cards.pcsc import PcscReaders
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.pcscd import PrivatePcscd
from kfasync.sim.vpcd import VirtualCard
from kfasync.station.assembly import open_station
from kfasync.station.config import load
from kfasync.station.states import LaneState
from tests.pcscd.floor import (
    FIXTURE_FESNS,
    Announcing,
    Watcher,
    new_fob,
    serve_until_done,
    write_config,
)

pytestmark = pytest.mark.anyio

LAST_COMMAND = 17  # UID, SELECT, INITIALIZE UPDATE, EXTERNAL AUTHENTICATE, 10 + 1 blocks, 2 raw


def expected_disposition(at: int) -> str:
    """What decisions are made of a fob that is torn off at that command."""
    if at <= 4:
        return "retry"
    return "bound" if at <= 14 else "in-doubt"


async def test_both_fixture_fobs_are_provisioned_and_their_coming_and_going_is_seen(
    tmp_path: Path, pcscd: PrivatePcscd
) -> None:
    watcher = Watcher()
    fobs = [new_fob(), new_fob()]
    names = pcscd.reader_names[:2]
    async with (
        open_station(load(write_config(tmp_path)), PcscReaders(), watcher.tell) as station,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(station.run, tuple(names))
        async with anyio.create_task_group() as hands:
            for fob, name in zip(fobs, names, strict=True):
                hands.start_soon(serve_until_done, fob, name, pcscd.port(name), watcher)
        tasks.cancel_scope.cancel()
    assert sorted(str(record.fesn) for record in watcher.records) == FIXTURE_FESNS
    assert [record.disposition for record in watcher.records] == ["pass", "pass"]
    assert [len(record.transcript) for record in watcher.records] == [LAST_COMMAND] * 2
    assert [fob.personalizations for fob in fobs] == [1, 1]
    for name in names:
        states = [
            event.state
            for event in watcher.events
            if event.reader == name and event.step in (0, LAST_COMMAND)
        ]
        # Empty, the fob comes, is worked on to its last command, is done, and goes.
        assert states == [
            LaneState.EMPTY,
            LaneState.READING,
            LaneState.LOCKING,
            LaneState.PASS,
            LaneState.PASS,  # latched
        ]


@pytest.mark.parametrize("kind", [FaultKind.TORN_BEFORE, FaultKind.TORN_AFTER])
async def test_a_fob_torn_off_at_each_command_ends_with_its_own_content(
    tmp_path: Path, pcscd: PrivatePcscd, kind: FaultKind
) -> None:
    watcher = Watcher()
    fobs = {at: new_fob(Fault(kind, at)) for at in range(1, LAST_COMMAND + 1)}
    records: dict[int, list[AttemptRecord]] = {}
    config = write_config(tmp_path, made=len(fobs))

    async def serve(name: str, share: list[int]) -> None:
        for at in share:
            records[at] = await serve_until_done(fobs[at], name, pcscd.port(name), watcher)

    async with (
        open_station(load(config), PcscReaders(), watcher.tell) as station,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(station.run)
        async with anyio.create_task_group() as hands:
            for slot, name in enumerate(pcscd.reader_names):
                hands.start_soon(serve, name, list(fobs)[slot :: len(pcscd.reader_names)])
        tasks.cancel_scope.cancel()

    for at, (torn, *_, last) in records.items():
        assert torn.disposition == expected_disposition(at), at
        assert torn.outcome == "incomplete"
        assert len(torn.transcript) == at
        recovered = at > 15 or (at == 15 and kind is FaultKind.TORN_AFTER)
        assert last.disposition == ("recovered" if recovered else "pass"), at
        assert last.observed_state == "FACTORY"
        if torn.disposition != "retry":
            assert last.fesn == torn.fesn
        assert fobs[at].personalizations == 1
    passed = [str(last.fesn) for *_, last in records.values()]
    assert len(set(passed)) == len(fobs)


async def test_a_hung_fob_is_freed_by_the_watchdog_while_a_second_reader_goes_on(
    tmp_path: Path, pcscd: PrivatePcscd
) -> None:
    watcher = Watcher()
    hanging, first, second = pcscd.reader_names[0], pcscd.reader_names[1], pcscd.reader_names[2]
    config = write_config(tmp_path, made=3, card_timeout_s="1.5")
    hung = new_fob(Fault(FaultKind.HUNG, 8))
    others = {first: new_fob(), second: new_fob()}
    async with (
        open_station(load(config), PcscReaders(), watcher.tell) as station,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(station.run, (hanging, first, second))
        async with anyio.create_task_group() as hands:
            hands.start_soon(serve_until_done, hung, hanging, pcscd.port(hanging), watcher)
            for name, fob in others.items():
                hands.start_soon(serve_until_done, fob, name, pcscd.port(name), watcher)
        tasks.cancel_scope.cancel()
    records = {
        name: [r for r in watcher.records if r.reader == name] for name in pcscd.reader_names
    }
    cut, resumed = records[hanging]
    assert (cut.cause, cut.disposition, cut.stage.value) == ("hung", "bound", "PayloadDelivery")
    assert cut.operator_action.startswith("Place the same fob again")
    assert (resumed.disposition, resumed.fesn) == ("pass", cut.fesn)
    assert [r.disposition for name in others for r in records[name]] == ["pass", "pass"]
    assert [fob.personalizations for fob in (hung, *others.values())] == [1, 1, 1]


async def test_a_station_goes_on_after_pcscd_was_killed_and_restarted(
    tmp_path: Path, pcscd: PrivatePcscd
) -> None:
    watcher = Watcher()
    name, other = pcscd.reader_names[:2]
    config = write_config(tmp_path, made=2)
    fob = Announcing(new_fob(), at=9)
    async with (
        open_station(load(config), PcscReaders(), watcher.tell) as station,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(station.run, (name, other))
        card = VirtualCard(fob, pcscd.port(name))
        await to_thread.run_sync(card.insert)
        await to_thread.run_sync(fob.reached.wait)
        await to_thread.run_sync(pcscd.kill)
        fob.go_on.set()
        torn = await watcher.result(name)
        await to_thread.run_sync(card.remove)
        await watcher.wait_for(LaneState.READER_FAULT, name)
        await watcher.wait_for(LaneState.READER_FAULT, other)
        seen = len(watcher.events)
        await to_thread.run_sync(pcscd.start)
        await watcher.emptied(name, after=seen)
        (resumed,) = await serve_until_done(fob.fob, name, pcscd.port(name), watcher)
        (passed,) = await serve_until_done(new_fob(), other, pcscd.port(other), watcher)
        tasks.cancel_scope.cancel()
    assert torn.record is not None
    assert (torn.record.disposition, resumed.disposition) == ("bound", "pass")
    assert resumed.fesn == torn.record.fesn != passed.fesn
    assert passed.disposition == "pass"
    assert fob.fob.personalizations == 1
