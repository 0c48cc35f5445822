"""A run of the acceptance test, as its caller sees it: a library in, verdicts out."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import IO, Self, TypeVar

import msgspec

from kfasync.acceptance.examiner import CHECKS, Introduction, Verdict
from kfasync.acceptance.trial import Job
from kfasync.errors import ConfigError, ProviderError

NAMES = tuple(check.name for check in CHECKS)
DEADLINE_S = 60.0  # for one act of a check; what takes longer hangs
T = TypeVar("T")


def contents_needed(job: Job) -> int:
    """How many contents the checks of a job lease at most."""
    return sum(check.contents for check in CHECKS if check.name in job.names)


class Examiner:
    """The process that runs the checks, for one library after the other.

    Raises:
        ConfigError: this system has not what the checks look at.
    """

    def __init__(self) -> None:
        if sys.platform != "linux":
            raise ConfigError("library", "the checks of a provider need Linux; run them there")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kfasync.acceptance.examiner"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # This package, wherever it was imported from.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # whoever goes wants no further checks
        self._process.__exit__(None, None, None)

    def examine(self, job: Job) -> tuple[Introduction, Iterator[Verdict]]:
        """Run the checks of a job: what the library says of itself, and verdicts as they come.

        Raises:
            ConfigError: the library's pool is too small for these checks; none has run.
            ProviderError: the checks came to no end, which says nothing for the library.
        """
        asked, answers = self._process.stdin, self._process.stdout
        if asked is None or answers is None:
            raise ValueError("both are pipes")
        asked.write(msgspec.json.encode(job) + b"\n")
        asked.flush()
        introduction = _line(answers, Introduction)
        _require_enough(job, introduction)
        return introduction, (_line(answers, Verdict) for _ in job.names)


def _require_enough(job: Job, introduction: Introduction) -> None:
    needed = contents_needed(job)
    if introduction.free is not None and introduction.free < needed:
        raise ConfigError(
            "config",
            f"the pool has {introduction.free} free contents, the checks need {needed}; "
            "fill it with made-up content, or name fewer checks with --only",
        )


def _line(answers: IO[bytes], kind: type[T]) -> T:
    line = answers.readline()
    if not line:
        raise ProviderError(None, "the process that runs the checks has ended before the last one")
    return msgspec.json.decode(line, type=kind)
