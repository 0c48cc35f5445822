"""UIDs of fobs to come, from a file or from standard input: one a line, as hex digits.

04A1B2C3D4E5F6
04:a1:b2:c3:d4:e5:f7     # colons, spaces and lines like this one's end do no harm
"""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from anyio import to_thread

from kfasync.errors import ConfigError
from kfasync.station.announcements import LineError, Lines
from kfasync.station.prefetch import Figures

STDIN = Path("-")
_CHUNK = 65_536
_FULL_S = 1.0  # between two tries when too many are announced already
_SHOWN_MAX = 10  # of the lines that are no UIDs


class AnnouncedFile:
    """An open file of announcements, or standard input.

    Attributes:
        is_stdin: then the keyboard is nobody else's.

    Raises:
        ConfigError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._name = "standard input" if path == STDIN else str(path)
        self.is_stdin = path == STDIN
        try:
            self._descriptor = sys.stdin.fileno() if self.is_stdin else os.open(path, os.O_RDONLY)
            self._kind = os.fstat(self._descriptor).st_mode
            if stat.S_ISDIR(self._kind):
                os.close(self._descriptor)
                raise IsADirectoryError(0, "it is a directory")
        except OSError as error:
            raise ConfigError(
                "announce", f"announced fobs: {self._name} cannot be read ({error.strerror})"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it; standard input is not ours to close."""
        if not self.is_stdin:
            os.close(self._descriptor)

    async def read(self, announce: Callable[[bytes], bool], note: Callable[[str], None]) -> None:
        """Announce what stands in it, in order and as it comes, until its end.

        Args:
            announce: False when there are too many; then it is waited.
            note: told of lines that are left out. They are not quoted: nobody knows what they are.
        """
        lines, wrong = Lines(), 0
        while True:
            chunk = await self._chunk()
            for number, uid in lines.feed(chunk):
                if isinstance(uid, LineError):
                    wrong += 1
                    if wrong <= _SHOWN_MAX:
                        last = "; no more are shown" if wrong == _SHOWN_MAX else ""
                        note(
                            f"announced fobs: {self._name}, line {number} is left out: {uid}{last}"
                        )
                    continue
                while not announce(uid):  # noqa: ASYNC110  # a fob that comes tells nobody
                    await anyio.sleep(_FULL_S)
            if not chunk:
                return

    async def _chunk(self) -> bytes:
        comes = (
            stat.S_ISFIFO(self._kind) or stat.S_ISSOCK(self._kind) or os.isatty(self._descriptor)
        )
        if comes and sys.platform != "win32":
            # Not in a thread: one that waits for a writer could not be ended.
            await anyio.wait_readable(self._descriptor)
            return os.read(self._descriptor, _CHUNK)
        return await to_thread.run_sync(os.read, self._descriptor, _CHUNK, abandon_on_cancel=True)


def what_became(figures: Figures) -> str:
    """What is said of the announced fobs at the end of a run."""
    return (
        f"announced fobs: {figures.taken} had their lease before they came, {figures.dropped} "
        f"leases were given up, {figures.announced} fobs are still to come"
    )
