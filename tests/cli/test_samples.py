"""A simulated fob that fits a station with a key server, and a whole fob over mutual TLS."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfasync.cli.samples import sample_keys
from kfasync.errors import ConfigError
from kfasync.station.config import load
from tests.cli.terminal import Run
from tests.klms.world import ServerProcess
from tests.pcscd.floor import write_provider_config
from tests.station.keyserver import keys_of_fob, make_klms, pool, station_of

UID = bytes.fromhex("04A1B2C3D4E5F6")


@pytest.fixture(scope="module")
def klms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_klms(tmp_path_factory.mktemp("klms") / "dev", 4)


@pytest.fixture(scope="module")
def server(klms: Path) -> Iterator[ServerProcess]:
    with ServerProcess(klms) as running:
        yield running


def test_every_fob_of_a_containers_station_has_the_same_keys(config: Path) -> None:
    loaded = load(config)
    with sample_keys(loaded) as keys_of:
        assert keys_of(UID) == keys_of(b"other") == loaded.config.key_set()


def test_with_a_key_server_each_has_its_own(server: ServerProcess, klms: Path) -> None:
    with sample_keys(load(station_of(server, klms))) as keys_of:
        assert keys_of(UID) == keys_of_fob(klms, UID)
        assert keys_of(UID) != keys_of(UID[::-1])


def test_without_the_server_s_own_configuration_they_are_not_known(
    server: ServerProcess, klms: Path, tmp_path: Path
) -> None:
    (tmp_path / "station.toml").write_text(station_of(server, klms).read_text())
    loaded = load(tmp_path / "station.toml")
    with pytest.raises(ConfigError, match=r"there is no reference server's .*klms\.toml"):
        sample_keys(loaded).__enter__()


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_fob_is_provisioned_over_mutual_tls(
    run: Run, server: ServerProcess, klms: Path, loop: str
) -> None:
    before = pool(server)
    config = station_of(server, klms)
    ended = run("provision", "--config", config, "--reader", "simulated", "--json", "--loop", loop)
    assert ended.code == 0, ended.err
    record = json.loads(ended.out)
    assert (record["outcome"], record["observed_state"]) == ("pass", "FACTORY")
    assert record["provider"] == f"{server.url.replace('127.0.0.1', 'localhost')} kfasync/1"
    assert len(record["lease"]) == 36
    kcv = keys_of_fob(klms, bytes.fromhex(record["uid"])).kcv
    assert record["kcv"]["enc"] == kcv.enc.hex().upper()
    # The end was told before the command returned.
    assert pool(server) == (before[0] - 1, before[1], before[2] + 1, before[3])


def test_an_empty_pool_is_the_key_server_s_own_word(run: Run, klms: Path, tmp_path: Path) -> None:
    empty = make_klms(tmp_path / "dev", 0)
    with ServerProcess(empty) as none:
        config = station_of(none, empty)
        ended = run("provision", "--config", config, "--reader", "simulated", "--json")
    record = json.loads(ended.out)
    assert (ended.code, record["cause"]) == (3, "pool-empty")
    assert record["operator_action"] == "Stop. The key server needs new content."
    assert record["message"] in ended.err


def test_a_configuration_is_checked_and_the_server_asked(
    run: Run, server: ServerProcess, klms: Path
) -> None:
    config = station_of(server, klms)
    ended = run("config", "check", config)
    assert ended.code == 0
    assert "  content   key server https://localhost:" in ended.out
    assert "server    " not in ended.out
    ended = run("config", "check", config, "--online")
    assert ended.code == 0
    assert "server    answers over TLS 1.3" in ended.out
    assert "pool      jcop4-fob: " in ended.out


def test_there_is_nobody_to_ask_without_a_key_server(run: Run, config: Path) -> None:
    ended = run("config", "check", config, "--online")
    assert ended.code == 2
    assert "--online is for [source] kind" in ended.err


def test_a_server_that_is_away_is_one_sentence(run: Run, server: ServerProcess, klms: Path) -> None:
    port = server.url.rsplit(":", 1)[1]
    config = station_of(server, klms, {f":{port}": ":1", "[source]": "[source]\ndeadline_s = 0.2"})
    for command in (["config", "check", config, "--online"], ["provision", "--config", config]):
        ended = run(*command, *(["--reader", "simulated"] if "provision" in command else []))
        assert ended.code == 3
        assert "key server https://localhost:1 does not answer (" in ended.err


@pytest.mark.parametrize("in_process", [False, True])
def test_a_station_with_a_vendor_s_library_is_rehearsed_with_keys_of_its_own(
    run: Run, tmp_path: Path, in_process: bool
) -> None:
    config = write_provider_config(tmp_path, containers=3, in_process=in_process)
    ended = run("provision", "--config", config, "--reader", "simulated", "--json")
    assert ended.code == 0, ended.err
    record = json.loads(ended.out)
    assert (record["outcome"], record["reader"]) == ("pass", "simulated")
    # The lease that the keys were taken from has cost no content.
    for _ in range(2):
        ended = run("provision", "--config", config, "--reader", "simulated")
        assert ended.code == 0, ended.err
    config.write_text(config.read_text("utf-8") + '\n[[lane]]\nreader = "simulated"\n', "utf-8")
    ended = run("run", "--config", config, "--fobs", "2")
    assert ended.code == 2
    assert "`kfasync provision --reader simulated`" in ended.err
