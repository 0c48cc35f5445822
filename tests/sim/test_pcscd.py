import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kfasync.errors import ReaderError
from kfasync.sim.pcscd import SOCKET_VARIABLE, PrivatePcscd


def connects(pcscd: PrivatePcscd) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(pcscd.socket_path)) == 0


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(("slots", "there"), [(1, 2), (2, 2), (3, 4), (16, 16)])
def test_every_reader_has_a_port_of_its_own(tmp_path: Path, slots: int, there: int) -> None:
    with PrivatePcscd(tmp_path, slots) as pcscd:
        ports = {pcscd.port(name) for name in pcscd.reader_names}
        assert len(pcscd.reader_names) == len(ports) == there
        for port in ports:
            with socket.create_connection(("127.0.0.1", port)):
                pass


def test_several_run_side_by_side(tmp_path: Path) -> None:
    with PrivatePcscd(tmp_path / "one") as one, PrivatePcscd(tmp_path / "two") as two:
        assert connects(one)
        assert connects(two)
        one.stop()
        assert not connects(one)
        assert connects(two)


def test_it_starts_once_and_stops_for_good(tmp_path: Path) -> None:
    pcscd = PrivatePcscd(tmp_path)
    assert not pcscd.is_running()
    pcscd.start()
    pid = pcscd.pid
    pcscd.start()
    assert pcscd.pid == pid
    assert pcscd.is_running()
    pcscd.stop()
    pcscd.stop()
    assert not pcscd.is_running()
    assert not alive(pid)
    assert not pcscd.socket_path.exists()


def test_a_killed_one_refuses_clients_and_comes_back_at_the_same_place(tmp_path: Path) -> None:
    with PrivatePcscd(tmp_path) as pcscd:
        name = pcscd.reader_names[1]
        path, port, pid = pcscd.socket_path, pcscd.port(name), pcscd.pid
        pcscd.kill()
        assert not alive(pid)
        assert path.exists()
        assert not connects(pcscd)
        pcscd.restart()
        assert (pcscd.socket_path, pcscd.port(name)) == (path, port)
        assert pcscd.pid != pid
        assert connects(pcscd)


def test_an_error_of_the_caller_ends_it(tmp_path: Path) -> None:
    pids = []

    def fail_beside(pcscd: PrivatePcscd) -> None:
        with pcscd:
            pids.append(pcscd.pid)
            raise KeyError

    with pytest.raises(KeyError):
        fail_beside(PrivatePcscd(tmp_path))
    assert not alive(pids[0])


ASK = "from kfasync.cards.pcsc import PcscReaders; print(*PcscReaders().names(), sep=chr(10))"


def test_a_client_finds_its_readers_under_their_names(tmp_path: Path) -> None:
    with PrivatePcscd(tmp_path, 6) as pcscd:
        asked = subprocess.run(
            [sys.executable, "-c", ASK],
            env={**os.environ, SOCKET_VARIABLE: str(pcscd.socket_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert asked.stdout.splitlines() == pcscd.reader_names


def test_a_missing_pcscd_is_told_with_its_package(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="no-such-pcscd is not installed: apt install pcscd"):
        PrivatePcscd(tmp_path, program="no-such-pcscd")


def test_a_missing_driver_is_told_with_its_package(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="apt install vsmartcard-vpcd"):
        PrivatePcscd(tmp_path, driver=tmp_path / "libifdvpcd.so")


def test_a_pcscd_that_does_not_come_up_is_told_with_its_log(tmp_path: Path) -> None:
    pcscd = PrivatePcscd(tmp_path, program="false")
    with pytest.raises(ReaderError, match=r"see .*/pcscd\.log"):
        pcscd.start()
    assert not pcscd.is_running()


@pytest.mark.parametrize("slots", [-1, 17])
def test_there_are_sixteen_slots_at_most(tmp_path: Path, slots: int) -> None:
    with pytest.raises(ValueError, match="at most 16"):
        PrivatePcscd(tmp_path, slots)


def test_a_directory_too_deep_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="107 bytes"):
        PrivatePcscd(tmp_path / ("d" * 107))
