"""A whole station: lanes side by side, its beginning, its end, and a shift of fobs."""

import json
import random
from collections import Counter, deque
from pathlib import Path

import anyio
import pytest
from anyio import from_thread

from kfasync.errors import (
    ConfigError,
    ContainerError,
    KfError,
    LedgerError,
    LinkError,
    ReaderError,
    StoppedError,
)
from kfasync.ledger.ledger import Ledger
from kfasync.sim.applet import Lifecycle
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.personalization import Dgi
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.assembly import open_station
from kfasync.station.attempt import Conclusion
from kfasync.station.config import LoadedConfig
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice
from kfasync.station.states import LaneState
from kfasync.station.station import Station
from tests.station.desks import (
    BLOCK_5,
    COMMANDS,
    EXTERNAL_AUTHENTICATE,
    FIRST,
    INITIALIZE_UPDATE,
    LAST_BLOCK,
    PATIENCE_S,
    Floor,
    Fobs,
    floor,
    furnish,
    open_desk,
    sql,
    timeout,
)

pytestmark = pytest.mark.anyio


def ignore(event: LaneEvent) -> None:
    """Nobody looks."""


def states(directory: Path) -> dict[str, int]:
    rows = sql(directory / "var", "SELECT state, count(*) FROM content GROUP BY state")
    return dict(rows)


# ----------------------------------------------------------------------------- one fob and done


@pytest.mark.parametrize("name", ["A", ""])
async def test_one_fob_that_lies_there_is_provisioned(tmp_path: Path, name: str) -> None:
    loaded, readers = furnish(tmp_path), SimulatedReaders(["A"])
    readers.place("A", Fobs(loaded).make())
    async with open_station(loaded, readers, ignore) as station:
        result = await station.provision(name, PATIENCE_S)
    assert isinstance(result, Conclusion)
    assert (result.record.outcome, result.verdict.exit_code) == ("pass", 0)


@pytest.mark.parametrize("step", [BLOCK_5, LAST_BLOCK])
async def test_one_fob_that_is_being_written_is_finished_when_a_person_stops(
    tmp_path: Path, step: int
) -> None:
    loaded, readers, stop = furnish(tmp_path), SimulatedReaders(["A"]), anyio.CancelScope()
    readers.place("A", Fobs(loaded).make())

    def tell(event: LaneEvent) -> None:
        if event.step == step:
            from_thread.run_sync(stop.cancel)

    async with open_station(loaded, readers, tell) as station:
        result = await station.provision("A", PATIENCE_S, stop)
    assert isinstance(result, Conclusion)
    assert (result.record.outcome, result.verdict.exit_code) == ("pass", 0)


@pytest.mark.parametrize("placed", [False, True])
async def test_a_person_stops_before_there_is_anything_to_finish(
    tmp_path: Path, placed: bool
) -> None:
    loaded, readers, stop = furnish(tmp_path), SimulatedReaders(["A"]), anyio.CancelScope()
    fob = Fobs(loaded).make()
    if placed:
        readers.place("A", fob)
    stop.cancel()
    async with open_station(loaded, readers, ignore) as station:
        with pytest.raises(StoppedError, match="stopped before a fob was written to") as caught:
            await station.provision("A", PATIENCE_S, stop)
    assert (caught.value.exit_code, fob.log) == (130, ())


async def test_one_fob_that_comes_later_is_waited_for(tmp_path: Path) -> None:
    loaded, readers = furnish(tmp_path), SimulatedReaders(["A", "B"])
    results: list[Conclusion | KfError] = []

    async def provision() -> None:
        results.append(await station.provision("B", PATIENCE_S))

    async with (
        open_station(loaded, readers, ignore) as station,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(provision)
        readers.place("A", untouched := Fobs(loaded).make())
        readers.place("B", Fobs(loaded).make())
    assert [isinstance(result, Conclusion) for result in results] == [True]
    assert untouched.log == ()


async def test_no_fob_in_time_is_a_link_error(tmp_path: Path) -> None:
    async with open_station(furnish(tmp_path), SimulatedReaders(["A"]), ignore) as station:
        with pytest.raises(LinkError, match="no fob was placed on reader A within 0 s"):
            await station.provision("A", 0)


@pytest.mark.parametrize(
    ("present", "name", "sentence"),
    [
        ([], "", "PC/SC sees no reader"),
        (["A"], "B", "there is no reader 'B'; there are: A"),
        (
            ["A", "B"],
            "",
            "more than one reader; name one with --reader, .* `kfasync run`; there are: A, B",
        ),
    ],
)
async def test_a_reader_that_cannot_be_meant_is_refused(
    tmp_path: Path, present: list[str], name: str, sentence: str
) -> None:
    async with open_station(furnish(tmp_path), SimulatedReaders(present), ignore) as station:
        with pytest.raises(ReaderError, match=sentence):
            await station.provision(name, 0)


# ------------------------------------------------------------------------------ opening, closing


async def test_a_station_names_the_fobs_that_an_earlier_run_left(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with floor(loaded) as place:
        fob = place.fobs.faulty(FaultKind.TORN_BEFORE, BLOCK_5)
        await place.serve("A", fob)
    async with open_station(loaded, SimulatedReaders(), ignore) as station:
        (left,) = station.unfinished()
        assert (left.uid, left.content.fesn, left.last_sent) == (
            fob.uid.hex().upper(),
            FIRST,
            False,
        )
    async with floor(loaded) as place:
        assert (await place.serve("A", fob)).fesn == FIRST


@pytest.mark.parametrize(
    ("what", "error"), [("certificates", ContainerError), ("containers", ContainerError)]
)
async def test_a_station_that_cannot_open_leaves_its_data_to_others(
    tmp_path: Path, what: str, error: type[KfError]
) -> None:
    loaded = furnish(tmp_path)
    loaded.resolve(what).rename(tmp_path / "elsewhere")
    with pytest.raises(error, match=what):
        async with open_station(loaded, SimulatedReaders(), ignore):
            raise AssertionError("it opened")
    Ledger.open(tmp_path / "var").close()


async def test_wrong_key_check_values_are_said_at_once(tmp_path: Path) -> None:
    old = '# kcv = { enc = "...", mac = "...", dek = "..." } '
    loaded = furnish(tmp_path, edits={old: old[2:].replace("...", "000000")})
    with pytest.raises(ConfigError, match="key check value"):
        async with open_station(loaded, SimulatedReaders(), ignore):
            raise AssertionError("it opened")


async def test_two_stations_do_not_share_a_data_directory(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with open_station(loaded, SimulatedReaders(), ignore):
        with pytest.raises(LedgerError, match="another station is running"):
            async with open_station(loaded, SimulatedReaders(), ignore):
                raise AssertionError("it opened")


# ----------------------------------------------------------------------------------- its lanes


async def test_a_station_keeps_to_the_readers_that_it_was_given(tmp_path: Path) -> None:
    loaded, readers = furnish(tmp_path), SimulatedReaders(["A", "B"])
    fobs = Fobs(loaded)
    done = anyio.Event()
    seen: list[str] = []

    def tell(event: LaneEvent) -> None:
        seen.append(event.reader)
        if event.record is not None:
            done.set()

    readers.place("A", untouched := fobs.make())
    readers.place("B", fobs.make())
    async with open_desk(loaded, tell) as desk:
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(Station(desk, readers).run, ("B",))
                await done.wait()
                tasks.cancel_scope.cancel()
    assert set(seen) == {"B"}
    assert untouched.log == ()


async def test_a_station_for_so_many_fobs_ends_when_all_its_lanes_have_stopped(
    tmp_path: Path,
) -> None:
    wrong = Fault(FaultKind.STATUS_WORD, EXTERNAL_AUTHENTICATE, sw=0x6982)
    loaded, readers = furnish(tmp_path), SimulatedReaders(["A", "B"])
    fobs = Fobs(loaded)

    def tell(event: LaneEvent) -> None:
        if event.record is not None:
            readers.remove(event.reader)
            readers.place(event.reader, fobs.make(wrong))

    for reader in readers.names():
        readers.place(reader, fobs.make(wrong))
    async with open_desk(loaded, tell) as desk:
        with anyio.fail_after(PATIENCE_S):
            await Station(desk, readers).run(("A", "B"), fobs=99)
            assert len(list(desk.ledger.records_after(0))) == 4


async def test_a_reader_that_comes_later_gets_a_lane(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path), ["A", "B"]) as place:
        await place.emptied("B")
        place.readers.unplug("B")
        await place.until("B", LaneState.READER_FAULT)
        place.readers.plug("B")
        assert (await place.serve("B", place.fobs.make())).outcome == "pass"
        assert (await place.serve("A", place.fobs.make())).outcome == "pass"
        slots = {event.reader: event.slot for event in place.shown}
        assert slots == {"A": 1, "B": 2}


async def test_slots_go_by_name_and_not_by_the_order_in_which_readers_are_found(
    tmp_path: Path,
) -> None:
    async with floor(furnish(tmp_path), ["B", "A"]) as place:
        await place.emptied("A")
        await place.emptied("B")
    assert {event.reader: event.slot for event in place.shown} == {"A": 1, "B": 2}


async def test_a_reader_has_its_slot_again_under_another_number(tmp_path: Path) -> None:
    one, two = (f"ACS ACR1252 (RR-{number}) 0{number} 00" for number in range(2))
    late = "ACS ACR1252 (RR-1) 05 00"
    async with floor(furnish(tmp_path), [one, two, late]) as place:
        # Whoever comes under the new number was there under the old one a moment before.
        assert (await place.serve(late, place.fobs.make())).slot == 2
        place.readers.unplug(late)
        await place.until(late, LaneState.READER_FAULT)
        place.readers.unplug(two)
        place.readers.plug(two)
        assert (await place.serve(two, place.fobs.make())).slot == 2
    assert {event.slot for event in place.shown} == {1, 2}


async def run_on(loaded: LoadedConfig, readers: SimulatedReaders) -> dict[str, int]:
    """Start a station and wait until every reader has its lane; who has which."""
    seen: dict[str, int] = {}
    complete = anyio.Event()

    def tell(event: LaneEvent) -> None:
        seen[event.reader] = event.slot
        if len(seen) == len(readers.names()):
            complete.set()

    async with open_station(loaded, readers, tell) as station, anyio.create_task_group() as tasks:
        tasks.start_soon(station.run)
        with anyio.fail_after(PATIENCE_S):
            await complete.wait()
        tasks.cancel_scope.cancel()
    return seen


async def test_a_reader_has_its_slot_again_after_a_restart_whoever_else_is_there(
    tmp_path: Path,
) -> None:
    one, two, new = "ACS (RR-1) 00 00", "ACS (RR-2) 01 00", "ACS (RR-0) 00 00"
    two_again = "ACS (RR-2) 05 00"
    loaded = furnish(tmp_path)
    assert await run_on(loaded, SimulatedReaders([one, two])) == {one: 1, two: 2}
    assert await run_on(loaded, SimulatedReaders([new, two_again])) == {two_again: 2, new: 3}
    assert await run_on(loaded, SimulatedReaders([one, new])) == {one: 1, new: 3}


async def test_slots_that_cannot_be_read_are_an_error_with_a_way_out(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "slots.json").write_text('["A", 2]', "utf-8")
    readers = SimulatedReaders(["A"])
    async with open_station(loaded, readers, ignore) as station:
        with pytest.raises(ConfigError, match=r"slots\.json does not say .* delete it"):
            await station.run(fobs=1)


async def test_slots_that_cannot_be_written_stop_nobody(tmp_path: Path) -> None:
    loaded, notices = furnish(tmp_path), list[Notice]()
    (tmp_path / "var" / "slots.new").mkdir(parents=True)
    readers = SimulatedReaders(["A"])
    readers.place("A", Fobs(loaded).make())
    async with open_station(loaded, readers, ignore, notices.append) as station:
        with anyio.fail_after(PATIENCE_S):
            assert (await station.run(fobs=1)).passed == 1
    assert [one.follower for one in notices] == ["slots"]
    assert "cannot be written (Is a directory)" in notices[0].problem


async def test_a_station_ends_after_so_many_fobs_and_takes_no_more(tmp_path: Path) -> None:
    loaded, readers = furnish(tmp_path, containers=4), SimulatedReaders(["A", "B", "C"])
    fobs = Fobs(loaded)
    tray = [fobs.make() for _ in range(3)]
    for name, fob in zip(readers.names(), tray, strict=True):
        readers.place(name, fob)
    async with open_desk(loaded) as desk:
        with anyio.fail_after(PATIENCE_S):
            tally = await Station(desk, readers).run(fobs=2)
    assert (tally.passed, tally.failed) == (2, 0)
    assert sorted(fob.personalizations for fob in tray) == [0, 1, 1]


# -------------------------------------------------------------------------------- cancellation


@pytest.mark.parametrize("step", [1, 2, INITIALIZE_UPDATE])
async def test_a_stop_before_anything_is_burned_gives_the_content_back(
    tmp_path: Path, step: int
) -> None:
    async with floor(furnish(tmp_path)) as place:
        place.on_step[step] = lambda: from_thread.run_sync(place.cancel)
        place.readers.place("A", fob := place.fobs.make())
        await place.done("A")
    # The command that was on its way is answered, and none after it is sent.
    assert len(fob.log) == step
    assert states(tmp_path) == {"FREE": 2}
    (line,) = (tmp_path / "var" / "audit.jsonl").read_text().splitlines()
    assert json.loads(line)["disposition"] == "retry"


@pytest.mark.parametrize("step", [EXTERNAL_AUTHENTICATE, BLOCK_5, LAST_BLOCK, COMMANDS])
async def test_a_stop_in_the_middle_of_writing_waits_for_the_fob(tmp_path: Path, step: int) -> None:
    async with floor(furnish(tmp_path)) as place:
        place.on_step[step] = lambda: from_thread.run_sync(place.cancel)
        place.readers.place("A", fob := place.fobs.make())
        await place.done("A")
    assert (fob.lifecycle, len(fob.log)) == (Lifecycle.FACTORY, COMMANDS)
    assert states(tmp_path) == {"FREE": 1, "CONSUMED": 1}
    (line,) = (tmp_path / "var" / "audit.jsonl").read_text().splitlines()
    assert json.loads(line)["disposition"] == "pass"


async def test_a_stop_while_a_fob_hangs_waits_for_the_watchdog(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path, edits=timeout(0.2))) as place:
        place.on_step[BLOCK_5] = lambda: from_thread.run_sync(place.cancel)
        place.readers.place("A", place.fobs.faulty(FaultKind.HUNG, BLOCK_5))
        await place.done("A")
    assert states(tmp_path) == {"FREE": 1, "BURNED": 1}


# ---------------------------------------------------------------------------------- a whole shift


class Shift:
    """Operators at all readers, one tray of fobs; who is not done goes back into the tray."""

    def __init__(self, place: Floor, tray: list[SimulatedFob]) -> None:
        self._place = place
        self._tray = deque(tray)
        self.ends: dict[str, str] = {}

    async def work(self, reader: str) -> None:
        while self._tray:
            fob = self._tray.popleft()
            record = await self._place.serve(reader, fob)
            if record.outcome == "incomplete":
                self._tray.append(fob)
            else:
                self.ends[fob.uid.hex().upper()] = record.disposition


def troubles(dice: random.Random) -> list[Fault]:
    # Never at the first command: a fob that falls off before it has said its name, right after
    # another one did, is not told of, and this operator would wait for it.
    kinds = [FaultKind.TORN_BEFORE, FaultKind.TORN_AFTER, FaultKind.STATUS_WORD, FaultKind.HUNG]
    many = dice.choices([0, 1, 2, 3], [3, 3, 2, 1])[0]
    weights = [6, 6, 2, 1]
    return [
        Fault(dice.choices(kinds, weights)[0], dice.randint(2, COMMANDS), sw=0x6581)
        for _ in range(many)
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_after_a_shift_with_trouble_every_fob_is_accounted_for(
    tmp_path: Path, seed: int
) -> None:
    dice, count = random.Random(seed), 24
    names = ["A", "B", "C", "D"]
    loaded = furnish(tmp_path, containers=count, edits=timeout(0.2))
    async with floor(loaded, names) as place:
        fobs = [place.fobs.make(*troubles(dice)) for _ in range(count)]
        shift = Shift(place, fobs)
        async with anyio.create_task_group() as hands:
            for name in names:
                hands.start_soon(shift.work, name)
        counts = place.counts()
        assert place.desk.ledger.unfinished() == []
    assert set(shift.ends) == {fob.uid.hex().upper() for fob in fobs}
    assert set(shift.ends.values()) <= {"pass", "recovered", "fail"}
    passed = [fob for fob in fobs if shift.ends[fob.uid.hex().upper()] != "fail"]
    factory = [fob for fob in fobs if fob.lifecycle is Lifecycle.FACTORY]
    assert set(passed) <= set(factory)
    assert {fob.personalizations for fob in factory} == {1}
    spids = Counter(bytes(fob.stored[Dgi.SPID].expose()) for fob in factory)
    assert set(spids.values()) == {1}
    assert counts["CONSUMED"] == len(passed)
    assert sum(counts.values()) == count
    assert set(counts) <= {"FREE", "CONSUMED", "QUARANTINED"}
    lines = (tmp_path / "var" / "audit.jsonl").read_text().splitlines()
    assert len(lines) == len(place.records())
