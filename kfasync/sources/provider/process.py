"""A process that runs ``kfasync.sources.provider.worker``, and what is to be said of its end."""

import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

import kfasync
from kfasync.sources.provider.wire import DESCRIPTORS_GONE, FAULT_OF_OURS, NO_MEMORY

_MODULE = "kfasync.sources.provider.worker"


class Process:
    """One process in a session of its own; thread-safe.

    Attributes:
        cause: why it is gone, beginning with a verb; empty before :meth:`end`.
    """

    def __init__(self, process: subprocess.Popen[bytes], pidfd: int) -> None:
        self._process = process
        self._pidfd = pidfd
        self._lock = threading.Lock()
        self.cause = ""

    @classmethod
    def start(cls, *, lock: bool, inherited: tuple[int, ...]) -> Self:
        """Start it with the descriptors that it takes over.

        Raises:
            OSError: the system has none left.
        """
        arguments = (os.getpid(), int(lock), *inherited)
        process = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-P", "-m", _MODULE, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=inherited,
            start_new_session=True,  # a Ctrl-C in the terminal is the station's alone
            env={**os.environ, "PYTHONPATH": _python_path()},
        )
        try:
            return cls(process, os.pidfd_open(process.pid))
        except OSError:
            process.kill()
            process.wait()
            raise

    def fileno(self) -> int:
        """A descriptor that can be read from when the process has ended."""
        return self._pidfd

    @property
    def alive(self) -> bool:
        """Whether it has not ended, neither by itself nor by :meth:`end`."""
        return not self.cause and not self.await_end(0)

    def await_end(self, seconds: float) -> bool:
        """Whether it has ended by itself by then."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def end(self, cause: str = "") -> None:
        """End it now, with everything that it may have started; may be called again.

        Args:
            cause: what it did; without it, how it ended by itself.
        """
        with self._lock:
            if self._process.returncode is not None:
                return
            by_itself = self.await_end(0)
            with suppress(ProcessLookupError):
                # Its group is its own, for it leads a session, and the number is nobody
                # else's before wait() has returned.
                os.killpg(self._process.pid, signal.SIGKILL)
            code = self._process.wait()
            self.cause = cause or _ending(code if by_itself else None)

    def close(self) -> None:
        """Give the descriptor back, after the end."""
        os.close(self._pidfd)


def _ending(code: int | None) -> str:
    if code is None or code == DESCRIPTORS_GONE:
        return "closed the connection to the station"
    if code == NO_MEMORY:
        return "could not be given locked memory (raise the limit, ulimit -l)"
    if code == FAULT_OF_OURS:
        return "could not be served, for its process failed in kfasync itself,"
    if code >= 0:
        return f"ended its process with exit status {code}"
    try:
        return f"crashed with {signal.Signals(-code).name}"
    except ValueError:  # one of the real-time signals, which have no names
        return f"crashed with signal {-code}"


def _python_path() -> str:
    """Where this very package is, for an interpreter that looks nowhere by itself (-P)."""
    home = str(Path(kfasync.__file__).parents[1])
    return os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
