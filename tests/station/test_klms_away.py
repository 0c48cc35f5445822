"""A key server that goes away and comes back: what had its lease passes, the rest waits.

KLMS_AWAY_S says for how long, 4 s where it is not set; a lease is good for 3 s.
"""

import os
import re
import threading
from pathlib import Path

import anyio
import pytest

from kfasync.sim.fob import SimulatedFob
from kfasync.station.states import LaneState
from tests.klms.world import Recipient, ServerProcess, fresh_key, problem
from tests.station.desks import BLOCK_5, PATIENCE_S, PROFILE, floor, uid
from tests.station.keyserver import books, keys_of_fob, loaded_station, make_klms, pool

pytestmark = pytest.mark.anyio

AWAY_S = float(os.environ.get("KLMS_AWAY_S", "4"))
CONTENTS = 5
SHORT = {"[source]": "[source]\nttl_s = 3\ndeadline_s = 0.8"}


def fob(klms: Path, number: int) -> SimulatedFob:
    return SimulatedFob(uid=uid(number), keys=keys_of_fob(klms, uid(number)))


def keep_the_port(klms: Path, server: ServerProcess) -> None:
    path = klms / "klms.toml"
    port = server.url.rsplit(":", 1)[1]
    path.write_text(re.sub(r"(?m)^port = 0 ", f"port = {port} ", path.read_text("utf-8")), "utf-8")


def other_station(server: ServerProcess, number: int) -> str:
    """A second station asks for a fob of its own; "" when it got content, else why not."""
    body = Recipient().request(uid(number).hex().upper(), "EOL-02", profile=PROFILE)
    with server.client("EOL-02") as client:
        answer = client.post("/v1/leases", json=body, headers=fresh_key())
    return "" if answer.status_code == 201 else problem(answer)


async def test_a_server_that_is_away_fails_no_fob_and_is_asked_again(tmp_path: Path) -> None:
    klms = make_klms(tmp_path / "dev", CONTENTS)
    server = ServerProcess(klms, "--quiet")
    go_on, reached = threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        assert go_on.wait(PATIENCE_S)

    try:
        async with floor(loaded_station(server, klms, SHORT), ("A", "B")) as place:
            keep_the_port(klms, server)
            assert (await place.serve("A", fob(klms, 1))).disposition == "pass"
            await place.told()
            place.on_step[BLOCK_5] = hold
            place.readers.place("B", fob(klms, 2))
            await anyio.to_thread.run_sync(reached.wait, PATIENCE_S)
            place.on_step.clear()
            server.kill()
            go_on.set()
            # It had its lease: it is finished without a server.
            assert (await place.result("B")).disposition == "pass"
            for name, number in (("A", 3), ("B", 4)):
                place.readers.place(name, fob(klms, number))
            for name in ("A", "B"):
                waiting = await place.until(name, LaneState.WAITING)
                assert "does not answer" in waiting.message
            await place.until_notice("key server", "key server https://localhost:")
            await anyio.sleep(AWAY_S)
            assert place.desk.ledger.outbox.waiting()
            server = ServerProcess(klms, "--quiet")
            # The pool is nearly empty, and another station is quicker.
            assert await anyio.to_thread.run_sync(other_station, server, 90) == ""
            for name in ("A", "B"):
                assert (await place.result(name)).disposition == "pass"
            await place.until_notice("key server", "")
            await place.told()
            assert other_station(server, 91) == "pool-empty"
            assert place.counts() == {"CONSUMED": 4}
        assert pool(server) == (0, 1, 4, 0)
        # Nothing has two units, and of this station no lease is open.
        unended = "SELECT count(*) FROM lease WHERE station = 'EOL-01' AND ended IS NULL"
        assert books(klms, unended) == [(0,)]
        twice = (
            "SELECT content FROM lease WHERE word IS NOT 'none'"
            " GROUP BY content HAVING count(DISTINCT uid) > 1"
        )
        assert books(klms, twice) == []
        # Every end was applied once, however often it was told.
        ends = "SELECT count(*), count(DISTINCT content), min(repeats) >= 0 FROM lease"
        assert books(klms, f"{ends} WHERE ended = 'commit'") == [(4, 4, 1)]
    finally:
        server.stop()
