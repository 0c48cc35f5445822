"""One station at a time on one data directory."""

import os
import sys
from pathlib import Path
from typing import Self

from kfasync.errors import LedgerError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FILE_NAME = "station.lock"


class StationLock:
    """An exclusive lock of the operating system, which also ends with the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, directory: Path) -> Self:
        """Take the lock of a data directory, or raise LedgerError."""
        try:
            descriptor = os.open(directory / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise LedgerError(
                f"data directory {directory} cannot be written ({error.strerror}); "
                "set data_dir in [station] to a place that can"
            ) from error
        try:
            if sys.platform == "win32":
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise LedgerError(
                f"another station is running on data directory {directory}; "
                "stop it, or give this one a data_dir of its own and other containers"
            ) from error
        return cls(descriptor)

    def release(self) -> None:
        """Give the lock back; it would also end with the process."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
