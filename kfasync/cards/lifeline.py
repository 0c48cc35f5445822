"""The socket on which a PC/SC call waits, so that another thread can cut it.

libpcsclite talks to its daemon over one AF_UNIX socket for each context and keeps the number
to itself. Shutting that socket down is the only thing that ends an SCardTransmit to a card
that hangs: the call then returns 0x80100013 at once.
"""

import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kfasync.errors import HungCardError

# Over the making of any context, so that a socket to the daemon that is new is the one made.
_MAKING = threading.Lock()


class Lifeline:
    """What one context hangs on: whether a call waits on it, and whether it was cut.

    One thread makes calls; any thread may sever or abort.

    Args:
        label: whose it is, for the error.
        cancel: the best there is where the socket cannot be found.
    """

    def __init__(self, label: str, cancel: Callable[[], None]) -> None:
        self._label = label
        self._cancel = cancel
        self._guard = threading.Lock()  # of what follows; never held over a call that waits
        self._calling = False
        self._cut = False
        self._before: dict[int, int] | None = None  # only while the context is being made
        self._socket: socket.socket | None = None

    @property
    def cut(self) -> bool:
        """Whether it was cut, after which it is of no more use."""
        return self._cut

    def check(self) -> None:
        """Raise HungCardError if it was cut."""
        if self._cut:
            raise HungCardError(f"{self._label}: no answer in time, so the link was cut")

    @contextmanager
    def call(self, *, last: bool = False) -> Iterator[None]:
        """Around a call: while it runs, :meth:`sever` has something to end.

        Args:
            last: the call that tidies up, which is made on a link that was cut, too.

        Raises:
            HungCardError: the link was cut before.
        """
        with self._guard:
            if not last:
                self.check()
            self._calling = True
        try:
            yield
        finally:
            with self._guard:
                self._calling = False

    @contextmanager
    def making(self) -> Iterator[None]:
        """Around the call that makes the context, and with it the socket.

        Raises:
            HungCardError: severed or aborted before it was made.
        """
        with self.call(), _MAKING:
            with self._guard:
                self.check()  # it may have been cut while it waited for its turn
                self._before = _sockets()
            try:
                yield
            finally:
                with self._guard:
                    self._socket = _daemon_socket(self._before)
                    self._before = None
        self.check()

    def sever(self) -> None:
        """End the call that waits; harmless when none does."""
        with self._guard:
            if self._calling:
                self._end_call()

    def abort(self) -> None:
        """End the call that waits, or fail the next one."""
        with self._guard:
            self._end_call()
            self._cut = True

    def close(self) -> None:
        """Let go of the socket, after the context has."""
        with self._guard:
            if self._socket is not None:
                self._socket.close()
            self._socket = None

    def _end_call(self) -> None:
        link = self._socket
        if link is None and self._before is not None:
            link = _daemon_socket(self._before)  # it hangs in being made
        if link is None:
            self._cancel()
            return
        self._cut = True
        # Of a duplicate, which is ours, so this can never be another file that got the number.
        link.shutdown(socket.SHUT_RDWR)
        if link is not self._socket:
            link.close()


def _sockets() -> dict[int, int]:
    """All sockets of this process by inode; none where there is no /proc (proc(5)).

    By inode and not by number: a number is free again as soon as any thread closes its file.
    """
    sockets = {}
    try:
        # Twice for every fob, so by descriptor: a Path for each costs a station 3 ms of CPU.
        numbers = os.listdir("/proc/self/fd")  # noqa: PTH208  # as above
    except OSError:
        return {}
    for number in map(int, numbers):
        with suppress(OSError):  # closed since
            status = os.fstat(number)
            if stat.S_ISSOCK(status.st_mode):
                sockets[status.st_ino] = number
    return sockets


def _daemon_socket(before: dict[int, int]) -> socket.socket | None:
    """A duplicate of the one socket to the daemon that was not there before."""
    name = Path(os.environ.get("PCSCLITE_CSOCK_NAME", "pcscd.comm")).name
    for inode, number in _sockets().items():
        if inode in before:
            continue
        try:
            duplicate = socket.socket(fileno=os.dup(number))
        except OSError:
            continue  # closed since
        # Other threads open sockets, too. What is known of this one is where it leads.
        if duplicate.family == socket.AF_UNIX and _peer(duplicate) == name:
            return duplicate
        duplicate.close()
    return None


def _peer(connected: socket.socket) -> str:
    try:
        address = connected.getpeername()
    except OSError:
        return ""  # not connected
    return Path(os.fsdecode(address)).name
