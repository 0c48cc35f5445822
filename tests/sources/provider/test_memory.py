"""Shared memory: what one process writes the other reads, and a byte too far is a fault."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kfasync.sources.provider.memory import ITEMS_SIZE, SECRETS_SIZE, Arena
from tests.native_build import ROOT
from tests.sources.provider.hosts import seat

# Attaches as a worker does, and touches one byte through the interpreter's own memmove.
TOUCHES = """
import ctypes, sys
from kfasync.sources.provider.memory import Arena
arena = Arena.attach(int(sys.argv[1]), 2, guarded=True)
view = getattr(arena.seats[1], sys.argv[2]).tail(16)
address = ctypes.addressof(ctypes.c_char.from_buffer(view))
ctypes.memset(address + int(sys.argv[3]), 0x55, 1)
"""

# Whoever may lock as much as he likes gives that up first.
UNLOCKABLE = """
import os, resource
from kfasync.errors import SourceError
from kfasync.sources.provider.memory import Arena
resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
if os.getuid() == 0:
    os.setuid(65534)
Arena.create(1, guarded=False, lock=False)
try:
    Arena.create(1, guarded=False)
except SourceError as error:
    print(error)
"""


def touch(region: str, offset: int) -> tuple[int, bytes]:
    """Let a worker touch a byte of the second seat; its exit status and what is here then."""
    arena, descriptor = Arena.create(2, guarded=False)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", TOUCHES, str(descriptor), region, str(offset)],
            cwd=ROOT,
            pass_fds=[descriptor],
            check=False,
        )
        return ended.returncode, bytes(getattr(arena.seats[1], region).tail(16))
    finally:
        os.close(descriptor)
        arena.close()


@pytest.mark.parametrize("region", ["items", "secrets"])
@pytest.mark.parametrize("offset", [0, 15])
def test_what_a_worker_writes_is_read_here(region: str, offset: int) -> None:
    expected = bytearray(16)
    expected[offset] = 0x55
    assert touch(region, offset) == (0, bytes(expected))


@pytest.mark.parametrize(
    ("region", "offset"),
    [("items", 16), ("secrets", 16), ("items", 15 - ITEMS_SIZE), ("secrets", 15 - SECRETS_SIZE)],
)
def test_one_byte_beyond_a_region_is_a_fault(region: str, offset: int) -> None:
    assert touch(region, offset) == (-signal.SIGSEGV, bytes(16))


def test_the_file_can_neither_shrink_nor_grow() -> None:
    arena, descriptor = Arena.create(1, guarded=False)
    size = os.fstat(descriptor).st_size
    for other in (0, size - 1, size + 1):
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, other)
    os.close(descriptor)
    arena.close()


def test_secrets_are_locked_and_in_no_dump_and_no_child() -> None:
    with seat():
        maps = Path("/proc/self/smaps").read_text()
    entries = re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", maps)
    ours = [entry for entry in entries if "memfd:kfasync" in entry]
    flags = [set(re.findall(r"VmFlags:(.*)", entry)[0].split()) for entry in ours]
    assert all({"dd", "dc"} <= flag for flag in flags)
    (locked,) = (entry for entry, flag in zip(ours, flags, strict=True) if "lo" in flag)
    assert re.search(rf"Locked: +{SECRETS_SIZE // 1024} kB", locked)


def test_memory_that_cannot_be_locked_is_refused_unless_that_is_wanted() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", UNLOCKABLE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.stderr == ""
    assert "cannot be locked" in ended.stdout
    assert "ulimit -l" in ended.stdout


def test_a_buffer_is_no_larger_than_its_region() -> None:
    with seat() as here:
        assert len(here.secrets.tail(SECRETS_SIZE)) == SECRETS_SIZE
        for size in (-1, SECRETS_SIZE + 1):
            with pytest.raises(ValueError, match=f"a buffer of {size} bytes"):
                here.secrets.tail(size)


def test_wiping_leaves_nothing_wherever_it_was_written() -> None:
    with seat() as here:
        for region in (here.items, here.secrets):
            region.tail(region.size)[:] = b"\x55" * region.size
            region.wipe()
            assert not any(region.tail(region.size))


def test_memory_that_is_still_read_stays_until_that_is_over() -> None:
    arena, descriptor = Arena.create(1, guarded=False)
    os.close(descriptor)
    view = arena.seats[0].items.tail(4)
    view[:] = b"read"
    arena.close()
    assert bytes(view) == b"read"
