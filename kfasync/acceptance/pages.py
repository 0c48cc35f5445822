"""Memory with a wall: a buffer behind which a page begins that nobody may touch."""

import ctypes
import mmap
import os

from kfasync.errors import SourceError

CANARY = 0xA5  # stands where nothing is to be written
_PROT_NONE = 0


class Walled:
    """Bytes whose end is the end of all memory that may be read or written."""

    def __init__(self, size: int) -> None:
        room = -(-max(size, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
        self._memory = mmap.mmap(-1, room + mmap.PAGESIZE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        libc = ctypes.CDLL(None, use_errno=True)
        wall = ctypes.c_void_p(start + room)
        if libc.mprotect(wall, ctypes.c_size_t(mmap.PAGESIZE), _PROT_NONE):
            raise SourceError(f"memory cannot be guarded ({os.strerror(ctypes.get_errno())})")
        self.address = start + room - size
        self.bytes = memoryview(self._memory)[room - size : room]
