"""A person's word to a station that runs: a socket in its data directory.

Only the owner of the data directory can open it, so that nobody else resumes a lane. One line of
JSON goes in and one comes out.
"""

import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import anyio
import msgspec
from anyio.abc import SocketStream

from kfasync.errors import KfError, LaneError, NoStationError
from kfasync.station.batch import Check

FILE_NAME = "control.sock"
_LINE_MAX = 65_536
_PATIENCE_S = 5.0
_CHECK_S = 60.0  # a check list asks a key server, which has its own deadline


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that a person wants done, or only how all lanes stand.

    Attributes:
        resume, acknowledge: a lane, to go on or whose result has been seen.
        attempt: which result; one that has gone meanwhile is not acknowledged.
        resolve: the UID of a fob in doubt, in hex.
        resolved_as: the value of a :class:`kfasync.station.decisions.ResolvedAs`.
        by: where that was said, for the record.
        reason: why, for the record.
        warning: of whoever listens to people for the station: wrong PINs.
        check: go through the check list, and say how it stands.
    """

    resume: int | None = None
    acknowledge: int | None = None
    attempt: str = ""
    resolve: str | None = None
    resolved_as: Literal["recoverable", "fail"] = "fail"
    by: str = "command line"
    reason: str = ""
    warning: str | None = None
    check: bool = False


class LaneLine(msgspec.Struct, frozen=True):
    """How one lane stands."""

    slot: int
    reader: str
    state: str
    message: str = ""


class Answer(msgspec.Struct, frozen=True):
    """How the lanes stand after that; ``refused`` says why it was not done.

    ``checks`` is the check list, where that was asked for.
    """

    lanes: list[LaneLine] = []
    checks: list[Check] = []
    refused: str = ""


@asynccontextmanager
async def serve(
    directory: Path, answer: Callable[[Request], Awaitable[Answer]]
) -> AsyncIterator[None]:
    """Listen for as long as the context is open, where the system has such sockets.

    Args:
        directory: the data directory, which this station has locked.
        answer: called on the event loop; a KfError is a refusal.
    """
    if sys.platform == "win32":
        yield
        return
    with socket_name(directory, FILE_NAME) as name:
        listener = await anyio.create_unix_listener(name, mode=0o600)
    try:
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, partial(_talk, answer))
            yield
            tasks.cancel_scope.cancel()
    finally:
        (directory / FILE_NAME).unlink(missing_ok=True)


async def _talk(answer: Callable[[Request], Awaitable[Answer]], stream: SocketStream) -> None:
    async with stream:
        try:
            with anyio.fail_after(_PATIENCE_S):
                line = b""
                while not line.endswith(b"\n") and len(line) < _LINE_MAX:
                    line += await stream.receive()
            with anyio.fail_after(_CHECK_S):
                await stream.send(msgspec.json.encode(await _answered(answer, line)) + b"\n")
        except (TimeoutError, anyio.EndOfStream, anyio.BrokenResourceError):
            return  # who does not finish the sentence has none


async def _answered(answer: Callable[[Request], Awaitable[Answer]], line: bytes) -> Answer:
    try:
        return await answer(msgspec.json.decode(line, type=Request))
    except KfError as error:
        return Answer(refused=str(error))
    except msgspec.DecodeError as error:
        return Answer(refused=f"not understood: {error}")


def ask(directory: Path, request: Request) -> Answer:
    """Say it to the station that runs on this data directory; blocks.

    Raises:
        NoStationError: none does, or this user may not.
        LaneError: it refuses.
    """
    if sys.platform == "win32":
        raise NoStationError("on Windows a lane is resumed by its key on the board")
    try:
        with socket.socket(socket.AF_UNIX) as connection, socket_name(directory, FILE_NAME) as name:
            connection.settimeout(_CHECK_S if request.check else _PATIENCE_S)
            connection.connect(name)
            connection.sendall(msgspec.json.encode(request) + b"\n")
            with connection.makefile("rb") as stream:
                line = stream.readline(_LINE_MAX)
        answer = msgspec.json.decode(line, type=Answer)
    except PermissionError as error:
        raise NoStationError(
            f"the station on data directory {directory} belongs to another user; "
            "ask as that user (`sudo -u`)"
        ) from error
    except (OSError, msgspec.DecodeError) as error:
        raise NoStationError(
            f"no station runs on data directory {directory}; start it with `kfasync run`"
        ) from error
    if answer.refused:
        raise LaneError(answer.refused)
    return answer


@contextmanager
def socket_name(directory: Path, name: str) -> Iterator[str]:
    """A name of that socket that is short enough while this is open: the system takes 107 bytes."""
    path = str(directory / name)
    if len(os.fsencode(path)) < 100 or sys.platform != "linux":
        yield path
        return
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
