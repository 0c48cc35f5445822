import stat
import tomllib
from pathlib import Path

import pytest

from kfasync.errors import ConfigError
from kfasync.klms import softhsm
from kfasync.klms.depot import open_depot
from kfasync.klms.development import Plan, make
from kfasync.klms.tls import make_context
from kfasync.secret import Secret
from tests.klms.test_kdf3 import by_hand
from tests.klms.world import ServerProcess


def test_what_is_made_fits_together(tmp_path: Path) -> None:
    loaded = make(tmp_path / "dev", Plan(stations=("A", "B"), port=1234))
    make_context(loaded.tls)
    with open_depot(loaded) as depot:
        assert depot.master.key_store == "memory"
        assert depot.standing.profiles() == ()
    assert loaded.config.server.port == 1234
    assert stat.S_IMODE((tmp_path / "dev").stat().st_mode) == 0o700


def test_the_station_that_fits_names_files_that_are_there(tmp_path: Path) -> None:
    make(tmp_path, Plan(stations=("LINE-7",), port=1234))
    station = tomllib.loads((tmp_path / "station.toml").read_text())
    assert station["station"]["id"] == "LINE-7"
    source = station["source"]
    assert (source["kind"], source["url"]) == ("klms", "https://localhost:1234")
    assert all((tmp_path / source[name]).is_file() for name in ("ca", "certificate", "key"))


def test_a_master_key_that_is_given_is_the_one(tmp_path: Path) -> None:
    loaded = make(tmp_path, Plan(master=Secret(bytes(range(16)))))
    with open_depot(loaded) as depot:
        assert depot.master.size == 16
        block = b"\x01\x00\x00\x00\x01\x00" + b"\x04\x01\x02\x03" + b"\x00\x80"
        expected = by_hand(bytes(range(16)), b"\x04\x01\x02\x03", 1, length=b"\x00\x80")
        assert depot.master.cmac(block) == expected


def test_with_softhsm_the_master_key_is_in_a_token(tmp_path: Path) -> None:
    make(tmp_path, Plan(port=0, module=softhsm.find()))
    assert not (tmp_path / "master.key").exists()
    with ServerProcess(tmp_path) as server, server.client() as station:
        assert station.get("/v1/health").status_code == 200
        assert station.get("/v1/capabilities").json()["key_store"] == "pkcs11"


@pytest.mark.parametrize("name", ["", "a/b", "..", "ca", "Server", "expired", "x" * 65])
def test_a_station_that_cannot_name_a_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a file"):
        make(tmp_path / "dev", Plan(stations=(name,)))
    assert not (tmp_path / "dev").exists()


@pytest.mark.parametrize("stations", [(), ("A", "A")])
def test_stations_are_some_and_each_once(tmp_path: Path, stations: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="at least one station, and each of them once"):
        make(tmp_path / "dev", Plan(stations=stations))


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(ConfigError, match="is not empty; choose a new directory"):
        make(tmp_path, Plan())
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_place_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="cannot be made"):
        make(tmp_path / "file" / "dev", Plan())
