"""The marker in a pool: which ledger issues from it, and how far that ledger had come.

A directory of containers and the ledger that knows what is issued from it are two things, and each
can be lost, swapped or restored without the other. The marker is a hidden file in the directory. It
names the ledger and counts its starts and records, so that another ledger, none at all, or an
older copy of the right one is found before it issues anything a second time.

What came between the last count and a crash is not in the marker. A copy that was made in just
that time, and put back after the crash, cannot be told from the original.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self

import msgspec

from kfasync.errors import LedgerError
from kfasync.ledger.ledger import FILE_NAME as LEDGER_NAME
from kfasync.ledger.values import now

FILE_NAME = ".kfasync-ledger.json"
PERIOD_S = 5.0  # between two counts of records while the station runs

TAKE_OVER = (
    "if it is gone for good, `kfasync ledger create --take-over --reason ...` makes this one the "
    "ledger and sets every container aside until a person frees it"
)


class Marker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says, as JSON."""

    ledger: str  # 32 hex digits
    data_dir: str  # where that was, for a person
    starts: int
    records: int
    written: str  # UTC by RFC 3339


class Counted(Protocol):
    """What a marker is compared with: the ledger."""

    @property
    def identity(self) -> str:
        """What tells it from every other one."""
        ...

    @property
    def starts(self) -> int:
        """How often a station has started on it."""
        ...

    def count_start(self) -> int:
        """One more; returns how many."""
        ...

    def last_record(self) -> int:
        """The number of its newest record."""
        ...

    def knows(self, pool: str) -> bool:
        """Whether it was made for that pool by a person, or has been tied to it before."""
        ...

    def know(self, pool: str) -> None:
        """From now on it is that pool's."""
        ...


def read(pool: Path) -> Marker | None:
    """The marker of a pool; None where there is none.

    Raises:
        LedgerError: there is one, and it cannot be read.
    """
    path = pool / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Marker)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise LedgerError(
            f"{path}, which names the ledger of these containers, cannot be read; put it back "
            f"from a copy, or {TAKE_OVER}"
        ) from error


def require_ledger(pool: Path, data_dir: Path) -> None:
    """Refuse a pool that a ledger has issued from when there is none; before one is made.

    Raises:
        LedgerError: it was lost, moved or emptied.
    """
    marker = read(pool)
    if marker is not None and not (data_dir / LEDGER_NAME).exists():
        raise LedgerError(
            f"{pool} has been issued from by the ledger in {marker.data_dir}, and there is no "
            f"ledger in {data_dir}: it was lost, moved or emptied; set data_dir to where it is "
            f"now, or {TAKE_OVER}"
        )


class Tie:
    """The tie between a pool and the ledger of this station; thread-safe in none of its calls."""

    def __init__(self, pool: Path, data_dir: Path, ledger: Counted) -> None:
        self._pool = pool
        self._data_dir = data_dir
        self._ledger = ledger
        self._starts = 0
        self._records = -1
        self._written_s = 0.0

    @classmethod
    def make(cls, pool: Path, data_dir: Path, ledger: Counted) -> Self:
        """Tie the two, or find them tied already; before anything is issued.

        Raises:
            LedgerError: the pool is another ledger's, this one is older than the marker, or the
                pool cannot be written and nobody has made this ledger for it.
        """
        tie = cls(pool, data_dir, ledger)
        marker = read(pool)
        if marker is not None:
            tie._require_own(marker)
        tie._starts = ledger.count_start()
        try:
            tie._write(anew=marker is None)
        except FileExistsError:
            raise LedgerError(
                f"{pool} has just been taken by another ledger; give this station other containers"
            ) from None
        except OSError as error:
            # With a marker of our own there, a pool that cannot be written now is no danger.
            if marker is None and not ledger.knows(str(pool)):
                raise LedgerError(
                    f"{pool} cannot be written ({error.strerror}), so that a ledger that is lost "
                    "could not be noticed there; make the ledger by `kfasync ledger create` first"
                ) from error
        else:
            ledger.know(str(pool))
        return tie

    @classmethod
    def take_over(cls, pool: Path, data_dir: Path, ledger: Counted) -> None:
        """Make the pool this ledger's, whosever it was.

        Raises:
            LedgerError: the pool cannot be written.
        """
        tie = cls(pool, data_dir, ledger)
        tie._starts = ledger.starts
        try:
            tie._write(anew=False)
        except OSError as error:
            raise LedgerError(f"{pool} cannot be written ({error.strerror})") from error
        ledger.know(str(pool))

    def wait_s(self) -> float:
        """For how long :meth:`follow` has nothing to do."""
        return self._written_s + PERIOD_S - time.monotonic()

    def follow(self) -> None:
        """Count the records anew, if there are more.

        Raises:
            LedgerError: the pool cannot be written; the next call tries again.
        """
        if self._ledger.last_record() == self._records:
            return
        try:
            self._write(anew=False)
        except OSError as error:
            raise LedgerError(
                f"{self._pool / FILE_NAME} cannot be written ({error.strerror})"
            ) from error

    def close(self) -> None:
        """Count for the last time, as far as that goes."""
        with suppress(LedgerError):
            self.follow()

    def _require_own(self, marker: Marker) -> None:
        ledger = self._ledger
        if marker.ledger != ledger.identity:
            raise LedgerError(
                f"{self._pool} belongs to another ledger, that of {marker.data_dir} (last written "
                f"{marker.written}), and not to the one in {self._data_dir}: two ledgers would "
                "issue a container twice; set data_dir to that one, or give this station other "
                f"containers; {TAKE_OVER}"
            )
        if marker.starts > ledger.starts or marker.records > ledger.last_record():
            raise LedgerError(
                f"the ledger in {self._data_dir} is older than it was: {self._pool} has seen "
                f"{marker.starts} starts and {marker.records} records of it, and it knows "
                f"{ledger.starts} and {ledger.last_record()}; it was restored from a copy, or a "
                f"part of it (-wal) was deleted; put the newest back, or {TAKE_OVER}"
            )

    def _write(self, *, anew: bool) -> None:
        records = self._ledger.last_record()
        marker = Marker(self._ledger.identity, str(self._data_dir), self._starts, records, now())
        path = self._pool / FILE_NAME
        fresh = path.with_name(f"{FILE_NAME}.{os.getpid()}")
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(marker)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if anew:
                _put_once(fresh, path)
            else:
                fresh.replace(path)
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
        self._records = records
        self._written_s = time.monotonic()


def _put_once(fresh: Path, path: Path) -> None:
    """Give a file its name, unless there is one of that name.

    Two stations may start at one time, and the second finds the first one's marker.
    """
    try:
        os.link(fresh, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links. A crash in here leaves half a marker, which is found.
        with path.open("xb") as file:
            file.write(fresh.read_bytes())
            os.fsync(file.fileno())
