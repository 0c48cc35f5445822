"""The process that runs a vendor's library: ``python -m kfasync.sources.provider.worker``.

Started by the station with what it inherits as arguments: the descriptor of the shared memory,
that of the control stream, and one for every seat. A thread for each seat carries out what its
stream says; the main thread hears of cancelled requests, and of the end of the station, with
which this process ends too. What the library prints goes nowhere and is counted.
"""

import ctypes
import fcntl
import os
import resource
import signal
import socket
import sys
import threading

from kfasync.errors import SourceError
from kfasync.sources.provider.memory import Arena
from kfasync.sources.provider.session import Session
from kfasync.sources.provider.wire import (
    DESCRIPTORS_GONE,
    FAULT_OF_OURS,
    NO_MEMORY,
    READY,
    Answer,
    Cancel,
    Done,
    Request,
    Wire,
)

_PRINTED_MAX = 64 * 1024
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4


class Output:
    """Where stdout and stderr go: a file in memory that cannot grow."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("printed", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self._descriptor, _PRINTED_MAX)
        fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        self._lock = threading.Lock()
        self._total = 0
        self._libc = ctypes.CDLL(None)
        for standard in (1, 2):
            os.dup2(self._descriptor, standard)

    def total(self) -> int:
        """How many bytes have been printed so far; they are overwritten unread.

        Of all the threads: each that was inside the library meanwhile has to answer for them.

        Only the two streams are flushed. ``fflush(NULL)`` would wait for every stream of the
        library on which one of its other threads is reading.
        """
        with self._lock:
            for stream in ("stdout", "stderr"):
                self._libc.fflush(ctypes.c_void_p.in_dll(self._libc, stream))
            # Descriptors made by dup share the offset, which is where the next byte would go.
            size = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            if size:
                os.pwrite(self._descriptor, bytes(min(size, _PRINTED_MAX)), 0)
                os.lseek(self._descriptor, 0, os.SEEK_SET)
            self._total += size
            return self._total


def main(arguments: list[str]) -> None:
    """Serve the station until it is gone."""
    parent, lock, memory, control, *seats = (int(argument) for argument in arguments)
    _harden(parent)
    try:
        arena = Arena.attach(memory, len(seats), guarded=True, lock=bool(lock))
    except (SourceError, OSError):
        os._exit(NO_MEMORY)
    os.close(memory)
    output, session = Output(), Session(arena.seats)
    wires = [Wire(socket.socket(fileno=descriptor), Request) for descriptor in seats]
    listening = Wire(socket.socket(fileno=control), Cancel)
    wires[0].send(Answer(READY, 0, Done()))
    for seat, wire in enumerate(wires):
        serving = (seat, wire, session, output)
        threading.Thread(target=_serve, args=serving, daemon=True).start()
    _listen(listening, session)


def _serve(seat: int, wire: Wire[Request], session: Session, output: Output) -> None:
    """Carry out what is asked of one seat, in one thread: last_error belongs to the thread."""
    answered = 0
    try:
        while True:
            request = wire.receive()
            result = session.perform(seat, request)
            total = output.total()
            wire.send(Answer(request.number, total - answered, result))
            answered = total
    except EOFError:
        return  # the station is gone, and the main thread ends this process
    except OSError:
        os._exit(DESCRIPTORS_GONE)
    except BaseException:
        # Whatever it is, nobody may wait for an answer that does not come; a traceback could
        # only go to the library's output. The station sees the process end and says so.
        os._exit(FAULT_OF_OURS)


def _listen(control: Wire[Cancel], session: Session) -> None:
    try:
        while True:
            cancel = control.receive()
            session.cancel(cancel.seat, cancel.number)
    finally:
        # Also on a fault: without this thread nobody could be told to stop. No exit handler of
        # the library's runs, and none can hang.
        os._exit(0)


def _harden(parent: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None)
    # No core dump and no debugger of the same user: there are keys in here.
    libc.prctl(_PR_SET_DUMPABLE, 0)
    # Sooner than the end of the control stream, which a library can have inherited elsewhere.
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
