"""Which event loop a command runs on."""

import importlib.util
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Annotated, TypeVar, TypeVarTuple, Unpack

import anyio
import typer

from kfasync.errors import ConfigError, KfError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Loop(Enum):
    """Event loops that the station runs on."""

    ASYNCIO = "asyncio"
    TRIO = "trio"


LoopOption = Annotated[Loop, typer.Option("--loop", help="Event loop to run on.")]


def run_on(loop: Loop, function: Callable[[Unpack[Ts]], Awaitable[T]], *arguments: *Ts) -> T:
    """Run to the end; an expected error comes out bare, however deep in task groups it was.

    Raises:
        ConfigError: that loop is not installed.
    """
    if importlib.util.find_spec(loop.value) is None:
        raise ConfigError("--loop", "trio is not installed; run `pip install 'kfasync[trio]'`")
    try:
        return anyio.run(function, *arguments, backend=loop.value)
    except BaseExceptionGroup as group:
        leaf: BaseException = group
        while isinstance(leaf, BaseExceptionGroup) and len(leaf.exceptions) == 1:
            leaf = leaf.exceptions[0]
        if isinstance(leaf, KfError | KeyboardInterrupt | BrokenPipeError):
            raise leaf from None
        raise
