"""A directory that trays are announced in: a file for each, one UID a line, taken in and deleted.

Hidden names (a leading dot) are overlooked, so that a file can be written under one and renamed
when it is whole. Any other is taken when it has not changed from one look to the next.
"""

from collections.abc import Callable
from pathlib import Path

import anyio
from anyio import to_thread

from kfasync.cli.announced import AnnouncedFile
from kfasync.errors import ConfigError

_LOOK_S = 1.0  # a tray takes longer than that from the scanner to the station

_Stamp = tuple[int, int]  # time of the last change, and size


class Trays:
    """A watched directory.

    Raises:
        ConfigError: it is none.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: dict[Path, _Stamp] = {}
        self._left: dict[Path, _Stamp] = {}  # could not be read or deleted; not tried again
        if not directory.is_dir():
            raise ConfigError("trays", f"trays: {directory} is not a directory")

    async def watch(self, announce: Callable[[bytes], bool], note: Callable[[str], None]) -> None:
        """Announce what is in its files, the oldest first, until cancelled.

        Args:
            announce, note: see :meth:`AnnouncedFile.read`.
        """
        while True:
            for path in await to_thread.run_sync(self._settled, note):
                await self._take(path, announce, note)
            await anyio.sleep(_LOOK_S)

    async def _take(
        self, path: Path, announce: Callable[[bytes], bool], note: Callable[[str], None]
    ) -> None:
        try:
            with AnnouncedFile(path) as announced:
                await announced.read(announce, note)
            await to_thread.run_sync(path.unlink)
        except ConfigError as error:
            self._leave(path, str(error), note)
        except OSError as error:
            self._leave(path, f"trays: {path} cannot be deleted ({error.strerror})", note)

    def _leave(self, path: Path, sentence: str, note: Callable[[str], None]) -> None:
        self._left[path] = self._seen[path]
        note(f"{sentence}; it is left there, and taken again when it changes")

    # ------------------------------------------------------------------ in a worker thread

    def _settled(self, note: Callable[[str], None]) -> list[Path]:
        """The files that have not changed since the last look."""
        try:
            now = {
                path: (status.st_mtime_ns, status.st_size)
                for path in self._directory.iterdir()
                if not path.name.startswith(".") and path.is_file() and (status := path.stat())
            }
        except OSError as error:
            note(f"trays: {self._directory} cannot be read ({error.strerror})")
            now = {}
        settled = [
            path
            for path, stamp in now.items()
            if self._seen.get(path) == stamp and self._left.get(path) != stamp
        ]
        self._seen = now
        return sorted(settled, key=lambda path: (now[path], path.name))
