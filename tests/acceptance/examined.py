"""Libraries for the acceptance test, a pool for each run, and what the run finds."""

import atexit
import functools
import tempfile
from pathlib import Path
from typing import Any

from kfasync.acceptance.run import NAMES, Examiner, contents_needed
from kfasync.acceptance.trial import Job
from tests.native_build import NATIVE, PROVIDERS, library, reference_parts, stock

SEED = 4711
DEADLINE_S = 60.0
EXAMPLE = NATIVE / "provider" / "example" / "minimal_provider.c"


def job(path: Path, config: dict[str, Any], *names: str, deadline_s: float = DEADLINE_S) -> Job:
    """These checks, or all."""
    return Job(str(path), config, SEED, names or NAMES, deadline_s)


def failed(job: Job) -> dict[str, str]:
    """What each of the checks that failed has found."""
    _, verdicts = _examiner().examine(job)
    return {one.name: one.finding for one in verdicts if one.finding is not None}


def remarks(job: Job) -> list[str]:
    """How sure each of the checks is that passed."""
    _, verdicts = _examiner().examine(job)
    return [one.remark for one in verdicts if one.finding is None]


def fresh(directory: Path) -> dict[str, Any]:
    """The configuration of a reference provider whose content nobody has touched.

    There is exactly as much of it as all the checks say that they need.
    """
    return {**_contents(), "state": str(directory / "state")}


@functools.cache
def broken(fault: str) -> Path:
    """The reference provider with one fault."""
    return library(PROVIDERS / "broken.c", *reference_parts(), flags=(f"-DBREAK_{fault}",))


@functools.cache
def example() -> Path:
    """The example of the integrator's guide."""
    theirs = {path.stem for path in (NATIVE / "provider").glob("*.c")} - {"json", "sentence"}
    parts = [path for path in reference_parts() if path.stem not in theirs]
    return library(EXAMPLE, *parts, flags=(f"-I{NATIVE / 'provider'}",))


@functools.cache
def _examiner() -> Examiner:
    examiner = Examiner()
    atexit.register(examiner.__exit__)
    return examiner


@functools.cache
def _contents() -> dict[str, Any]:
    return stock(_directory(), contents_needed(job(Path(), {})))


@functools.cache
def _kept() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="kfasync-acceptance-")


def _directory() -> Path:
    return Path(_kept().name)
