"""What a flow asks of whoever drives it: the effects, and the loop that carries them out."""

from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar

import msgspec

from kfasync.errors import KfError
from kfasync.model import Lease, Mark, SessionFacts, Stage, Unit


class Exchange(msgspec.Struct, frozen=True):
    """Send one command; answered by data field || status word.

    ``confidential`` commands show header and length in a transcript and nothing else.
    ``interruptible`` says whether the attempt may be given up before this command.
    ``steps`` is how many commands the fob will take in all, 0 while nobody knows.
    """

    command: bytes
    stage: Stage
    step: int
    steps: int
    confidential: bool
    interruptible: bool


class Identified(msgspec.Struct, frozen=True):
    """This unit is on the reader; answered by its Standing, or thrown back as UnitError."""

    unit: Unit


class WantLease(msgspec.Struct, frozen=True):
    """Content and keys for the unit will be needed; answered by whether they are on their way."""

    unit: Unit


class NeedLease(msgspec.Struct, frozen=True):
    """Get content and keys for the unit; answered by a Lease."""

    unit: Unit


class Durable(msgspec.Struct, frozen=True):
    """Do not go on before this is on disk; answered by None. ``facts`` are the session's."""

    lease: Lease
    mark: Mark
    facts: SessionFacts | None = None


R = TypeVar("R")
Effect: TypeAlias = Exchange | Identified | WantLease | NeedLease | Durable
# What comes back depends on the effect, which a Generator's one send type cannot say.
Flow: TypeAlias = Generator[Effect, Any, R]


def drive(flow: Flow[R], perform: Callable[[Effect], Any]) -> R:
    """Carry out effect after effect until the flow returns.

    An error of ours is thrown into the flow, which may tidy up or let it out; any other one
    ends the flow where it stands.
    """
    try:
        effect = next(flow)
        while True:
            try:
                reply = perform(effect)
            except KfError as error:
                effect = flow.throw(error)
            else:
                effect = flow.send(reply)
    except StopIteration as done:
        result: R = done.value
        return result
    finally:
        flow.close()
