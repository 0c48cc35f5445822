"""Memory that the station and the worker share: where a library puts what it leases out.

    guard | seat 0: items | guard | secrets | guard | seat 1: items | guard | secrets | guard ...

One anonymous file, mapped by both processes. A call has a seat of its own, and each buffer
that it offers ends where a guard begins, so that in the process that runs the library a byte
too far is a fault at once. Secrets are locked into memory, in no core dump and in no child.

Only Linux has the calls for this; a station on another system is refused in one sentence.
"""

import ctypes
import mmap
import os
import sys
from contextlib import ExitStack
from typing import Self

from kfasync.errors import SourceError, SourceUnavailableError

if sys.platform == "linux":
    import fcntl

# A multiple of the page size of every machine there is (64 KiB on some aarch64).
GUARD_SIZE = 64 * 1024
ITEMS_SIZE = 1024 * 1024
SECRETS_SIZE = 64 * 1024
_SEAT_SIZE = ITEMS_SIZE + GUARD_SIZE + SECRETS_SIZE + GUARD_SIZE

_PROT_NONE = 0


class Region:
    """One buffer of one seat."""

    def __init__(self, memory: mmap.mmap, start: int, size: int) -> None:
        self._memory = memory
        self._start = start
        self.size = size

    def tail(self, size: int) -> memoryview:
        """The last bytes of it, which end at the guard.

        Raises:
            ValueError: it is not that large.
        """
        if not 0 <= size <= self.size:
            raise ValueError(f"a buffer of {size} bytes in a region of {self.size}")
        end = self._start + self.size
        return memoryview(self._memory)[end - size : end]

    def wipe(self) -> None:
        """Overwrite all of it with zeros: who knows where a library has written."""
        self._memory[self._start : self._start + self.size] = bytes(self.size)


class Seat:
    """What one call at a time writes into."""

    def __init__(self, memory: mmap.mmap, start: int) -> None:
        self.items = Region(memory, start, ITEMS_SIZE)
        self.secrets = Region(memory, start + ITEMS_SIZE + GUARD_SIZE, SECRETS_SIZE)


class Arena:
    """All seats; the process that runs the library has the guards."""

    def __init__(self, memory: mmap.mmap, count: int) -> None:
        self._memory = memory
        self.seats = [Seat(memory, GUARD_SIZE + at * _SEAT_SIZE) for at in range(count)]

    @classmethod
    def create(cls, count: int, *, guarded: bool, lock: bool = True) -> tuple[Self, int]:
        """Make the memory; with it comes the descriptor that a worker attaches to.

        Args:
            lock: refuse to work when secrets cannot be kept out of the swap space.

        Raises:
            SourceError: this system does not have it, or does not let it be locked.
        """
        require_system()
        with ExitStack() as undo:
            try:
                descriptor = os.memfd_create("kfasync", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
                undo.callback(os.close, descriptor)
                os.ftruncate(descriptor, GUARD_SIZE + count * _SEAT_SIZE)
                # A library that shortened the file would take the station down with it.
                _seal(descriptor)
                arena = cls.attach(descriptor, count, guarded=guarded, lock=lock)
            except OSError as error:
                raise SourceUnavailableError(
                    f"there is no memory for a provider ({error.strerror})"
                ) from error
            undo.pop_all()
        return arena, descriptor

    @classmethod
    def attach(cls, descriptor: int, count: int, *, guarded: bool, lock: bool = True) -> Self:
        """Map memory that another process has made."""
        memory = mmap.mmap(descriptor, GUARD_SIZE + count * _SEAT_SIZE)
        memory.madvise(mmap.MADV_DONTDUMP)
        memory.madvise(mmap.MADV_DONTFORK)
        arena = cls(memory, count)
        for seat in range(count):
            secrets = GUARD_SIZE + seat * _SEAT_SIZE + ITEMS_SIZE + GUARD_SIZE
            _lock(memory, secrets, fatal=lock)
            if guarded:
                _forbid(memory, secrets - GUARD_SIZE)
                _forbid(memory, secrets + SECRETS_SIZE)
        if guarded:
            _forbid(memory, 0)
        return arena

    def close(self) -> None:
        """Unmap it. Whoever still reads a seat keeps it mapped until he is done."""
        for seat in self.seats:
            seat.secrets.wipe()
        try:
            self._memory.close()
        except BufferError:
            return  # the last view that dies unmaps it


def require_system() -> None:
    """Raise SourceError where a library cannot be kept in a process of its own."""
    if sys.platform != "linux":
        raise SourceError("a provider needs Linux; take its content from containers here")


def _seal(descriptor: int) -> None:
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)


def _lock(memory: mmap.mmap, start: int, *, fatal: bool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlock(_address(memory, start), ctypes.c_size_t(SECRETS_SIZE)) and fatal:
        reason = os.strerror(ctypes.get_errno())
        raise SourceError(
            f"memory for a provider's secrets cannot be locked ({reason}); raise the limit of "
            "the station's account (ulimit -l)"
        )


def _forbid(memory: mmap.mmap, start: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(_address(memory, start), ctypes.c_size_t(GUARD_SIZE), _PROT_NONE):
        raise SourceError(f"memory cannot be guarded ({os.strerror(ctypes.get_errno())})")


def _address(memory: mmap.mmap, start: int) -> ctypes.c_void_p:
    return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory, start)))
