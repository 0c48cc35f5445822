"""The signals that ask a station to stop."""

import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import anyio
from anyio.abc import TaskStatus

# Ctrl-Break is what a service manager of Windows sends to a console program.
if sys.platform == "win32":
    SIGNALS = (signal.SIGINT, signal.SIGBREAK)
else:
    SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Put the handlers back at the end, for a command that goes on after :func:`watch`."""
    before = [(number, signal.getsignal(number)) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


async def watch(
    asked: Callable[[], None], *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Call ``asked`` on the event loop after signals that ask to stop, until cancelled.

    From then on these signals are ignored: the process is at its end, and one that came a moment
    later would turn an orderly end into a kill.
    """
    receiver, sender = socket.socketpair()
    receiver.setblocking(False)
    sender.setblocking(False)

    def note(number: int, frame: Any) -> None:
        with contextlib.suppress(BlockingIOError):  # enough of them are waiting
            sender.send(b"\0")

    try:
        # By hand: what the event loops offer is not there on Windows, and at its end it puts back
        # the handlers that kill.
        for number in SIGNALS:
            signal.signal(number, note)
        task_status.started()
        while True:
            await anyio.wait_readable(receiver)
            receiver.recv(64)
            asked()
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        receiver.close()
        sender.close()
