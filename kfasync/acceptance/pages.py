"""Memory with walls: a buffer at one end of what may be touched, with a page behind each end."""

import ctypes
import mmap
import os

from kfasync.errors import SourceError

CANARY = 0xA5  # stands where nothing is to be written
_PROT_NONE = 0


class Walled:
    """Bytes between two pages that nobody may touch.

    Args:
        first: the buffer begins right behind the first wall; else it ends right before the
            second. On the other side there may be up to a page of room.
    """

    def __init__(self, size: int, *, first: bool = False) -> None:
        page = mmap.PAGESIZE
        self._room = -(-max(size, 1) // page) * page
        self._memory = mmap.mmap(-1, self._room + 2 * page)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory)) + page
        for wall in (self._start - page, self._start + self._room):
            _protect(wall, page, _PROT_NONE)
        at = 0 if first else self._room - size
        self.address = self._start + at
        self.bytes = memoryview(self._memory)[page + at : page + at + size]

    def close(self) -> None:
        """From now on it can be read and no more."""
        _protect(self._start, self._room, mmap.PROT_READ)


def _protect(address: int, size: int, access: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), access):
        raise SourceError(f"memory cannot be guarded ({os.strerror(ctypes.get_errno())})")
