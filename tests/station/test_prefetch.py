"""Fobs that were announced: their leases are there first, and nothing is left of the others."""

import itertools
from pathlib import Path

import anyio
import pytest

from kfasync.contracts.sources import EndKind
from kfasync.model import ContentState
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import SimulatedFob
from kfasync.station.config import load
from kfasync.station.prefetch import Figures
from kfasync.station.states import LaneState
from tests.klms.world import ServerProcess
from tests.pcscd.floor import write_provider_config
from tests.station.desks import (
    COMMANDS,
    EXTERNAL_AUTHENTICATE,
    PATIENCE_S,
    Floor,
    floor,
    furnish,
    sql,
    uid,
)
from tests.station.keyserver import books, keys_of_fob, loaded_station, make_klms, pool
from tests.station.test_fetches import held_floor
from tests.station.test_klms_away import fob

pytestmark = pytest.mark.anyio

UNENDED = "SELECT count(*) FROM lease WHERE ended IS NULL"


async def until_ahead(place: Floor, count: int) -> None:
    """Until that many leases have come for fobs that have not."""
    with anyio.fail_after(PATIENCE_S):
        while not _are_here(place, count):  # noqa: ASYNC110  # a lease that comes tells no test
            await anyio.sleep(0.01)


def _are_here(place: Floor, count: int) -> bool:
    return sum(fetch.done.is_set() for fetch in place.desk.fetches._all.values()) == count


async def test_announced_fobs_have_their_leases_from_the_key_server(tmp_path: Path) -> None:
    klms = make_klms(tmp_path / "dev", 4)
    server = ServerProcess(klms, "--quiet")
    try:
        async with floor(loaded_station(server, klms), ("A", "B")) as place:
            for number in (1, 2, 3, 4):
                assert place.station.announce(uid(number))
            await until_ahead(place, 4)
            # Not in order, and on whichever reader; the fourth does not come.
            for reader, number in (("B", 2), ("A", 1), ("A", 3)):
                assert (await place.serve(reader, fob(klms, number))).disposition == "pass"
            figures = place.station.prefetched()
            assert (figures.taken, figures.announced, figures.ahead) == (3, 1, 1)
            await place.told()
            assert pool(server) == (0, 1, 3, 0)
        # What is left at the end is told before the station is gone.
        assert pool(server) == (1, 0, 3, 0)
        assert books(klms, UNENDED) == [(0,)]
        assert books(klms, "SELECT count(*) FROM lease") == [(4,)]  # one a fob and no more
    finally:
        server.stop()


async def test_whenever_the_card_fails_nothing_stays_reserved_or_open(tmp_path: Path) -> None:
    """At each command, before the lease comes, on its way and when it is there long since."""
    early = range(1, EXTERNAL_AUTHENTICATE)  # afterwards the lease is there
    klms = make_klms(tmp_path / "dev", 2 * COMMANDS + len(early))
    server = ServerProcess(klms, "--quiet")
    numbers = itertools.count(1)

    def fob_with(fault: Fault) -> SimulatedFob:
        name = uid(next(numbers))
        return SimulatedFob(uid=name, keys=keys_of_fob(klms, name), faults=(fault,))

    def torn(command: int) -> SimulatedFob:
        return fob_with(Fault(FaultKind.TORN_BEFORE, command))

    async def is_over(place: Floor) -> None:
        place.desk.followers[1].wake()  # the sender of the outbox
        await place.told()
        assert books(klms, UNENDED) == [(0,)]
        assert ContentState.RESERVED.value not in place.counts()

    try:
        async with held_floor(loaded_station(server, klms)) as (place, source):
            for command in early:
                source.hold()
                # Not torn: a fob that is found again at once would wait for its lease.
                sw = 0x6700 + command  # two of one cause in a row would stop the lane
                fault = Fault(FaultKind.STATUS_WORD, command, sw=sw)
                record = await place.serve("A", fob_with(fault))
                assert (record.exchanges, record.lease) == (command, None)
                source.let_go()
            await is_over(place)
            for command in range(1, COMMANDS + 1):
                record = await place.serve("A", torn(command))
                assert record.exchanges == command
            await is_over(place)
            fobs = [torn(command) for command in range(1, COMMANDS + 1)]
            asked = len(source.asked)
            for one in fobs:
                place.station.announce(one.uid)
            await until_ahead(place, COMMANDS)
            for command, one in enumerate(fobs, 1):
                record = await place.serve("A", one)
                assert record.exchanges == command
            assert place.station.prefetched().taken == COMMANDS - 1  # one never said its name
            assert source.asked[asked].uid == fobs[0].uid
        assert books(klms, UNENDED) == [(0,)]
        states = {state for (state,) in sql(place.directory, "SELECT state FROM content")}
        assert ContentState.RESERVED.value not in states
    finally:
        server.stop()


async def test_a_library_is_asked_ahead_too(tmp_path: Path) -> None:
    loaded = load(write_provider_config(tmp_path, containers=4))
    async with held_floor(loaded, ("A", "B")) as (place, source):
        source.let_go()
        fobs = [place.fobs.make() for _ in range(3)]
        for one in fobs:
            place.station.announce(one.uid)
        await until_ahead(place, 3)
        for reader, one in zip("BA", fobs, strict=False):
            assert (await place.serve(reader, one)).disposition == "pass"
        assert len(source.asked) == 3
    kinds = [(end.uid, end.kind) for end in source.told]
    assert kinds[-1] == (fobs[2].uid, EndKind.ABORT)  # never came
    assert sorted(kinds[:-1]) == [(one.uid, EndKind.COMMIT) for one in fobs[:2]]


async def test_containers_need_no_announcement_and_take_no_harm(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        fob = place.fobs.make()
        assert place.station.announce(fob.uid)
        assert (await place.serve("A", fob)).disposition == "pass"
        assert place.station.prefetched() == Figures(0, 0, 0, 0, 0, 0, 0)


async def test_too_many_announcements_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kfasync.station.prefetch.ANNOUNCED_MAX", 2)
    async with held_floor(load(write_provider_config(tmp_path, containers=4))) as (place, _):
        taken = [place.station.announce(uid(number)) for number in (1, 2, 2, 3)]
        assert taken == [True, True, True, False]


async def test_a_fob_that_is_there_gets_content_that_was_fetched_for_one_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kfasync.station.lane.SOURCE_RETRY_S", 0.2)
    klms = make_klms(tmp_path / "dev", 2)
    server = ServerProcess(klms, "--quiet")
    try:
        async with floor(loaded_station(server, klms)) as place:
            for number in (1, 2):
                place.station.announce(uid(number))
            await until_ahead(place, 2)
            assert pool(server) == (0, 2, 0, 0)
            for number in (3, 1):
                assert (await place.serve("A", fob(klms, number))).disposition == "pass"
            waited = [one.message for one in place.shown if one.state is LaneState.WAITING]
            assert "What was fetched for a fob to come is handed back" in waited[0]
        assert pool(server) == (0, 0, 2, 0)
        assert books(klms, UNENDED) == [(0,)]
    finally:
        server.stop()
