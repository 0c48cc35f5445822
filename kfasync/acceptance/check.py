"""What a check is: a name, why it matters, and one or more acts."""

from collections.abc import Callable
from typing import NamedTuple

from kfasync.acceptance.trial import Trial

# Raises a Finding; what it returns is told to the act after it.
Act = Callable[[Trial], str | None]


class Check(NamedTuple):
    """One thing that a library has to do right.

    Each act has a process of its own, which is killed when the act is over. ``contents`` is
    how many contents the check leases at most.
    """

    name: str
    reason: str
    contents: int
    acts: tuple[Act, ...]


def check(name: str, reason: str, *acts: Act, contents: int = 0) -> Check:
    """A check of these acts, in their order."""
    return Check(name, reason, contents, acts)
