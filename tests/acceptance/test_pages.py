import subprocess
import sys

import pytest

from kfasync.acceptance.pages import Walled


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 100_000])
def test_the_whole_of_it_can_be_written(size: int) -> None:
    walled = Walled(size)
    walled.bytes[:] = b"\xa5" * size
    assert len(walled.bytes) == size


@pytest.mark.parametrize(
    ("made", "at", "returncode"),
    [
        ("Walled(100)", 99, 0),
        ("Walled(100)", 100, -11),
        ("Walled(100, first=True)", 0, 0),
        ("Walled(100, first=True)", -1, -11),
        ("Walled(100); walled.bytes[99]; walled.close()", 50, -11),
    ],
)
def test_one_byte_beyond_or_too_late_is_a_fault(made: str, at: int, returncode: int) -> None:
    program = (
        "import ctypes; from kfasync.acceptance.pages import Walled; "
        f"walled = {made}; ctypes.memset(walled.address + {at}, 0, 1)"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert ended.returncode == returncode
