"""The fetch journal: which lease requests may have been granted without anybody knowing.

    {"key":"...","uid":"...","aid":"...","profile":"..."}      before the first send
    {"key":"..."}                                               the ledger takes over from here

A line is on the disk when the call returns. What was asked for and never adopted is asked for again
after a restart, with the same key: that gives the same lease, which is used or handed back.
"""

import os
import threading
from pathlib import Path
from typing import Self

import msgspec

from kfasync.errors import LedgerError

FILE_NAME = "fetches.jsonl"
_REWRITE_BYTES = 1024 * 1024  # some 7,000 leases
_sync = getattr(os, "fdatasync", os.fsync)


class Fetch(msgspec.Struct, frozen=True, omit_defaults=True):
    """One lease request, by its Idempotency-Key; in the file a bare key says that it is over."""

    key: str
    uid: str = ""
    aid: str = ""
    profile: str = ""


class FetchJournal:
    """The journal of one station; thread-safe. Its data directory is locked by the ledger.

    Attributes:
        left: what an earlier run asked for and never finished; of a new journal nothing.
    """

    def __init__(self, path: Path, descriptor: int, open_: dict[str, Fetch]) -> None:
        self._path = path
        self._descriptor = descriptor
        self._open = open_
        self._size = 0
        self._lock = threading.Lock()
        self.left = tuple(open_.values())

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Read the journal of a data directory, and begin it anew with what is left.

        Raises:
            LedgerError: it cannot be read or written.
        """
        path = directory / FILE_NAME
        try:
            open_ = _read(path)
            return cls(path, _begin(path, open_), open_)
        except OSError as error:
            raise _unusable(path, error) from error

    def close(self) -> None:
        """Close the file; may be called again."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def begin(self, fetch: Fetch) -> None:
        """Write down what is about to be asked for; blocks.

        Raises:
            LedgerError: it cannot be written, and nothing may be asked for.
        """
        with self._lock:
            self._write(fetch)
            self._open[fetch.key] = fetch

    def finish(self, key: str) -> None:
        """It is the ledger's affair from here on, or has been handed back; blocks."""
        with self._lock:
            if self._open.pop(key, None) is not None:
                self._write(Fetch(key))

    def _write(self, fetch: Fetch) -> None:
        line = msgspec.json.encode(fetch) + b"\n"
        try:
            if self._size > _REWRITE_BYTES:
                os.close(self._descriptor)
                self._descriptor = -1
                self._descriptor, self._size = _begin(self._path, self._open), 0
            os.write(self._descriptor, line)
            _sync(self._descriptor)
        except OSError as error:
            raise _unusable(self._path, error) from error
        self._size += len(line)


def _read(path: Path) -> dict[str, Fetch]:
    """What is begun and not finished, by key."""
    open_: dict[str, Fetch] = {}
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    for line in lines:
        try:
            fetch = msgspec.json.decode(line, type=Fetch)
        except (msgspec.MsgspecError, ValueError):
            continue  # cut short by a power cut: nothing was sent after it
        if fetch.uid:
            open_[fetch.key] = fetch
        else:
            open_.pop(fetch.key, None)
    return open_


def _begin(path: Path, open_: dict[str, Fetch]) -> int:
    """A new file with what is open, in the place of the old one at once; its descriptor."""
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, b"".join(msgspec.json.encode(one) + b"\n" for one in open_.values()))
        os.fsync(descriptor)
        new.replace(path)
        _sync_directory(path.parent)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _sync_directory(directory: Path) -> None:
    if os.name != "posix":
        return  # Windows has no descriptor of a directory
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(path: Path, error: OSError) -> LedgerError:
    return LedgerError(
        f"fetch journal {path} cannot be written ({error.strerror}); it has to be, before a key "
        "server is asked for anything"
    )
