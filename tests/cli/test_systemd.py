"""What a service manager hears, through a real socket."""

import os
import signal
import socket
from configparser import ConfigParser
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from kfasync.cli.systemd import ServiceManager
from tests.cli.stations import Running, write_simulated

PATIENCE_S = 30.0
UNIT = Path(__file__).parents[2] / "docs" / "kfasync.service"


class Manager:
    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE_S)
        self.socket.bind(str(path))
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "100000"}

    def hear(self, state: str) -> None:
        """Wait for it; anything else but that it is alive comes too early."""
        while (heard := self.socket.recv(4096).decode()) != state:
            assert heard == "WATCHDOG=1"


def test_a_station_says_that_it_is_ready_alive_and_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = Manager(tmp_path / "notify")
    for name, value in manager.environment.items():
        monkeypatch.setenv(name, value)
    with manager.socket, Running(write_simulated(tmp_path, 1, 20)) as station:
        manager.hear("READY=1")
        manager.hear("WATCHDOG=1")
        station.signal(signal.SIGTERM)
        manager.hear("STOPPING=1")
        assert station.ended() == 0


@pytest.mark.anyio
async def test_without_a_service_manager_nothing_is_said(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE_S):
        await ServiceManager({}).keep_alive()
        # One that has gone away is no error.
        gone = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "none")})
        gone.tell("READY=1")
        await gone.keep_alive()


@pytest.mark.parametrize(
    "environment",
    [{"WATCHDOG_PID": str(os.getpid() + 1)}, {"WATCHDOG_USEC": "often"}, {"WATCHDOG_USEC": "0"}],
)
@pytest.mark.anyio
async def test_a_watchdog_that_means_another_process_is_not_answered(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    manager = Manager(tmp_path / "notify")
    with manager.socket, anyio.fail_after(PATIENCE_S):
        await ServiceManager(manager.environment | environment).keep_alive()


@pytest.mark.anyio
async def test_an_abstract_name_is_understood() -> None:
    name = f"kfasync-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(PATIENCE_S)
        listener.bind(f"\0{name}")
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).tell("READY=1")
        assert await to_thread.run_sync(listener.recv, 99) == b"READY=1"


def test_the_service_file_asks_for_what_the_station_says() -> None:
    unit = ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their letters
    unit.read_string(UNIT.read_text("utf-8"))
    service = unit["Service"]
    assert (service["Type"], service["KillMode"]) == ("notify", "mixed")
    assert int(service["WatchdogSec"]) > 0
    assert " run --config " in service["ExecStart"]
    assert int(service["Nice"]) < 0
