"""What a check is: a name, why it matters, one or more acts, and a judgement of all contents."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from kfasync.acceptance.observed import Observed
from kfasync.acceptance.trial import Trial

# Raises a Finding; what it returns is told to the act after it.
Act = Callable[[Trial], str | None]
# Raises a Finding, too.
Judgement = Callable[[Sequence[Observed]], None]


class Check(NamedTuple):
    """One thing that a library has to do right.

    Each act has a process of its own, which is killed when the act is over. ``contents`` is
    how many contents the check leases at most. ``judgement`` is passed on every content that
    this check and those before it have leased in the run, whatever they leased it for.
    """

    name: str
    reason: str
    contents: int
    acts: tuple[Act, ...]
    judgement: Judgement | None = None


def check(
    name: str,
    reason: str,
    *acts: Act,
    contents: int = 0,
    judgement: Judgement | None = None,
) -> Check:
    """A check of these acts, in their order."""
    return Check(name, reason, contents, acts, judgement)
