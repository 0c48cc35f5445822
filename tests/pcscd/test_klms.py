"""A fob through a private real pcscd, with keys and content from a key server over mutual TLS."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kfasync.contracts.klms import IDEMPOTENCY_KEY, JSON
from kfasync.crypto.choose import available
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.pcscd import PrivatePcscd
from tests.klms.world import WAIT_S, ServerProcess
from tests.pcsc_fixtures import Place
from tests.pcscd.floor import kfasync
from tests.sources.klms.world import Hostile
from tests.station.keyserver import books, keys_of_fob, make_klms, pool, station_of


@pytest.fixture(scope="module")
def klms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_klms(tmp_path_factory.mktemp("klms") / "dev", 2 * len(available()) + 3)


@pytest.fixture(scope="module")
def server(klms: Path) -> Iterator[ServerProcess]:
    with ServerProcess(klms) as running:
        yield running


def new_fob(klms: Path) -> SimulatedFob:
    uid = b"\x04" + secrets.token_bytes(6)
    return SimulatedFob(uid=uid, keys=keys_of_fob(klms, uid))


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("path", available())
def test_a_fob_passes_on_every_crypto_path(
    klms: Path, server: ServerProcess, pcscd: PrivatePcscd, place: Place, path: str, loop: str
) -> None:
    reader, fob, before = pcscd.reader_names[0], new_fob(klms), pool(server)
    place(fob, reader)
    config = station_of(server, klms, {"[source]": f'[crypto]\npath = "{path}"\n\n[source]'})
    run = kfasync("provision", "--config", config, "--reader", reader, "--json", "--loop", loop)
    assert run.returncode == 0, run.stderr
    record = json.loads(run.stdout)
    assert (record["outcome"], record["crypto_path"]) == ("pass", path)
    assert record["provider"].startswith("https://localhost:")
    assert books(klms, f"SELECT ended, word FROM lease WHERE id = '{record['lease']}'") == [
        ("commit", "pass")
    ]
    assert fob.personalizations == 1
    assert pool(server) == (before[0] - 1, before[1], before[2] + 1, before[3])


def test_a_station_that_is_killed_between_request_and_answer_gets_the_same_lease_again(
    klms: Path, server: ServerProcess, pcscd: PrivatePcscd, place: Place
) -> None:
    reader, fob, before = pcscd.reader_names[0], new_fob(klms), pool(server)
    card = place(fob, reader)
    stations: list[subprocess.Popen[bytes]] = []

    def commit_and_kill(path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """The server has granted the lease, and nobody is there to hear of it."""
        headers = {"content-type": JSON, IDEMPOTENCY_KEY: asked_with()}
        with server.client() as client:
            granted: httpx.Response = client.post(path, content=body, headers=headers)
        assert granted.status_code == 201
        stations[0].kill()
        return granted.status_code, {}, granted.content

    with Hostile(server.pki, commit_and_kill) as between:

        def asked_with() -> str:
            return between.requests[-1][1][IDEMPOTENCY_KEY]

        config = station_of(server, klms)
        text = config.read_text("utf-8")
        own = text[text.index("https://") : text.index('"', text.index("https://"))]
        config.write_text(text.replace(own, between.url), "utf-8")
        command = [sys.executable, "-m", "kfasync", "provision", "--config", str(config)]
        stations.append(subprocess.Popen([*command, "--reader", reader], stderr=subprocess.DEVNULL))
        stations[0].wait(WAIT_S)
    assert pool(server) == (before[0] - 1, before[1] + 1, *before[2:])
    key = between.requests[-1][1][IDEMPOTENCY_KEY]
    # The next run asks with the same key, hands the lease back, and begins anew.
    config.write_text(text, "utf-8")
    card.remove()
    place(fob, reader)
    run = kfasync("provision", "--config", config, "--reader", reader, "--json")
    assert run.returncode == 0, run.stderr
    found = books(
        klms,
        "SELECT key, ended, word FROM lease WHERE uid = "
        f"'{fob.uid.hex().upper()}' ORDER BY opened_s",
    )
    assert found[0] == (key, "abort", "none")
    assert [row[1:] for row in found[1:]] == [("commit", "pass")]
    assert pool(server) == (before[0] - 1, before[1], before[2] + 1, before[3])
    assert fob.personalizations == 1


def test_a_second_fob_of_the_station_is_refused_by_an_empty_pool(
    server: ServerProcess, tmp_path: Path, pcscd: PrivatePcscd, place: Place
) -> None:
    empty = make_klms(tmp_path / "dev", 0)
    with ServerProcess(empty) as none:
        fob = new_fob(empty)
        place(fob, pcscd.reader_names[0])
        config = station_of(none, empty)
        run = kfasync(
            *("provision", "--config", config, "--reader", pcscd.reader_names[0], "--json")
        )
    assert (run.returncode, json.loads(run.stdout)["cause"]) == (3, "pool-empty")
    # Who it is, and the session that begins while the lease is on its way.
    assert [header[1] for header, _ in fob.log] == [0xCA, 0xA4, 0x50]
