import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kfasync.errors import LedgerError
from kfasync.ledger.lock import StationLock

HOLDER = """
import sys
from pathlib import Path
from kfasync.ledger.lock import StationLock
lock = StationLock.take(Path(sys.argv[1]))
print("taken", flush=True)
sys.stdin.read()
"""


def test_a_second_station_in_this_process_is_refused(tmp_path: Path) -> None:
    lock = StationLock.take(tmp_path)
    with pytest.raises(LedgerError, match="another station is running"):
        StationLock.take(tmp_path)
    lock.release()
    lock.release()
    StationLock.take(tmp_path).release()


def test_a_second_process_is_refused_until_the_holder_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"taken\n"
        with pytest.raises(LedgerError, match="another station is running"):
            StationLock.take(tmp_path)
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        StationLock.take(tmp_path).release()


def test_a_directory_that_is_none_is_said_to_be_unusable(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be written"):
        StationLock.take(tmp_path / "nowhere")


def test_two_directories_are_two_stations(tmp_path: Path) -> None:
    locks = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        locks.append(StationLock.take(tmp_path / name))
    for lock in locks:
        lock.release()
