"""Fobs that were announced: their leases are there first, and nothing is left of the others."""

from pathlib import Path

import anyio
import pytest

from tests.klms.world import ServerProcess
from tests.station.desks import PATIENCE_S, Floor, floor, uid
from tests.station.keyserver import books, loaded_station, make_klms, pool
from tests.station.test_klms_away import fob, until_told

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
            await until_told(place)
            assert pool(server) == (0, 1, 3, 0)
        # What is left at the end is told before the station is gone.
        assert pool(server) == (1, 0, 3, 0)
        assert books(klms, UNENDED) == [(0,)]
        assert books(klms, "SELECT count(*) FROM lease") == [(4,)]  # one a fob and no more
    finally:
        server.stop()
