"""What one check is given in its own process: the library, its configuration, made-up units."""

import ctypes
import os
import random
from pathlib import Path

import msgspec

from kfasync.acceptance.subject import Content, Session, Subject
from kfasync.model import Unit

PROFILE = "provider-check"
AID = bytes.fromhex("A000000857")


class Job(msgspec.Struct, frozen=True):
    """What is to be checked, and with what."""

    library: str  # an absolute path
    config: dict[str, object]
    seed: int
    names: tuple[str, ...]
    deadline_s: float


class Trial:
    """One act of one check. ``testimony`` is what the act before has told.

    Attributes:
        remark: how sure a check is that has found nothing, where it depends on chance.
    """

    def __init__(self, job: Job, name: str, testimony: str = "") -> None:
        self.job = job
        self.testimony = testimony
        self.remark = ""
        self.config = msgspec.json.encode(job.config)
        # Every act of a check makes up the same units, and no two checks do.
        self._random = random.Random(f"{job.seed}/{name}")  # noqa: S311  # no secrets
        self._printed = 0
        self._loaded: list[Subject] = []

    def load(self) -> Subject:
        """The library, loaded into this process."""
        subject = Subject.load(self.job.library)
        self._loaded.append(subject)
        return subject

    @property
    def leased(self) -> list[Content]:
        """Every content that has been leased in this act, each once."""
        return list(dict.fromkeys(one for subject in self._loaded for one in subject.leased))

    def open(self) -> Session:
        """The library, loaded and opened with the configuration that was given."""
        return self.load().open(self.config)

    def unit(self, uid: bytes | None = None) -> Unit:
        """A unit that nobody has seen: a UID of 7 bytes (ISO/IEC 14443-3, 6.5.4), by NXP."""
        uid = uid or b"\x04" + self._random.randbytes(6)
        return Unit(uid, uid, bytes.fromhex("3B8980014A434F503234325233"), AID, PROFILE)

    def randbytes(self, size: int) -> bytes:
        """As random as the units."""
        return self._random.randbytes(size)

    def printed(self) -> int:
        """How many bytes have been printed since this was asked last."""
        ctypes.CDLL(None).fflush(None)
        before, self._printed = self._printed, os.fstat(1).st_size
        return self._printed - before


def files() -> int:
    """How many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def threads() -> int:
    """How many threads this process has."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())
