import subprocess
import sys

import pytest

from kfasync.acceptance.pages import Walled


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 100_000])
def test_the_whole_of_it_can_be_written(size: int) -> None:
    walled = Walled(size)
    walled.bytes[:] = b"\xa5" * size
    assert len(walled.bytes) == size


@pytest.mark.parametrize(("beyond", "returncode"), [(-1, 0), (0, -11)])
def test_one_byte_beyond_is_a_fault(beyond: int, returncode: int) -> None:
    program = (
        "import ctypes; from kfasync.acceptance.pages import Walled; "
        f"walled = Walled(100); ctypes.memset(walled.address + 100 + {beyond}, 0, 1)"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert ended.returncode == returncode
