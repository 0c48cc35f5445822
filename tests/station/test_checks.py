"""The checks of the station itself, each good and each red."""

import hashlib
from pathlib import Path

import pytest

from kfasync.sim.reader import SimulatedReaders
from kfasync.station.batch import CheckState
from kfasync.station.checks import look
from kfasync.station.config import LoadedConfig, load
from tests.klms.world import ServerProcess
from tests.native_build import reference_provider
from tests.pcscd.floor import write_provider_config
from tests.station.desks import furnish, open_desk
from tests.station.keyserver import loaded_station, make_klms

pytestmark = pytest.mark.anyio

LANE = {"# [[lane]]  ": "[[lane]]  ", '# reader = "ACS ACR1252 [00 00]"': 'reader = "ACS ACR1252"'}


async def found(loaded: LoadedConfig, *names: str) -> dict[str, tuple[str, str]]:
    async with open_desk(loaded) as desk:
        checks = await look(loaded, SimulatedReaders(names), desk.path, desk.ledger)
    return {one.name: (one.state.value, one.said) for one in checks}


async def test_a_station_with_containers_is_good(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    checks = await found(loaded, "A")
    assert list(checks) == ["crypto", "readers", "disk", "ledger", "log", "content"]
    assert {state for state, _ in checks.values()} == {"good"}
    assert checks["crypto"][1].startswith("known answers on crypto path ")
    assert checks["content"] == ("good", "2 containers free")


async def test_readers_that_are_not_there_are_red_by_name(tmp_path: Path) -> None:
    loaded = furnish(tmp_path / "none")
    assert (await found(loaded))["readers"] == ("red", "PC/SC sees no reader; plug one in")
    loaded = furnish(tmp_path / "one", edits=LANE)
    state, said = (await found(loaded, "another"))["readers"]
    assert (state, "reader ACS ACR1252 is not there" in said) == ("red", True)
    assert (await found(loaded, "ACS ACR1252 01 00"))["readers"][0] == "good"


async def test_a_log_that_cannot_be_written_and_no_content_are_red(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with open_desk(loaded) as desk:
        log = tmp_path / "var" / "audit.jsonl"
        log.unlink(missing_ok=True)
        log.mkdir()
        desk.ledger.offer([])
        checks = await look(loaded, SimulatedReaders(["A"]), desk.path, desk.ledger)
    states = {one.name: one for one in checks}
    assert states["log"].state is CheckState.RED
    assert states["log"].said == "Is a directory"
    assert states["content"].said == "no container is free; bring more of them"


async def test_a_library_that_has_changed_is_red_until_it_is_accepted(tmp_path: Path) -> None:
    library = tmp_path / "library.so"
    library.write_bytes(reference_provider().read_bytes())
    loaded = load(write_provider_config(tmp_path, containers=1, library=library))
    async with open_desk(loaded) as desk:
        readers = SimulatedReaders(["A"])
        *_, last = await look(loaded, readers, desk.path, desk.ledger)
        assert (last.name, last.state) == ("library", CheckState.GOOD)
        changed = library.read_bytes() + b"\0"
        library.unlink()  # the one that is loaded stays as it is
        library.write_bytes(changed)
        *_, last = await look(loaded, readers, desk.path, desk.ledger)
        assert last.state is CheckState.RED
        assert f"has SHA-256 {hashlib.sha256(changed).hexdigest()}" in last.said
        library.unlink()
        *_, last = await look(loaded, readers, desk.path, desk.ledger)
        assert (last.state, last.said) == (CheckState.RED, "No such file or directory")


async def test_a_key_server_is_asked_for_its_clock_and_its_pool(tmp_path: Path) -> None:
    klms = make_klms(tmp_path / "dev", 2)
    with ServerProcess(klms) as server:
        loaded = loaded_station(server, klms)
        checks = await found(loaded, "A")
    assert list(checks)[-4:] == ["key server", "clock", "content", "certificate"]
    assert {state for state, _ in checks.values()} == {"good"}
    assert checks["content"][1] == "2 free at the key server"
    assert checks["certificate"][1].endswith(" days left")
    with ServerProcess(klms, "--fault", "clock-off") as off:
        state, said = (await found(loaded_station(off, klms), "A"))["clock"]
    assert (state, "s from the key server's" in said) == ("red", True)
