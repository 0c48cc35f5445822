"""Checks of what a library leaves behind: nothing of a lease, and the process as it was."""

import ctypes
import gc
import itertools
import mmap
import os
import re
import resource
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kfasync.acceptance.check import check
from kfasync.acceptance.manners import whole_life
from kfasync.acceptance.subject import NONE, PASS, Finding, Form, require, unit_struct
from kfasync.acceptance.trial import Trial, files, threads
from kfasync.sources.provider.abi import ffi

WARM_UP, WINDOWS, LEASES_OF_A_WINDOW = 30, 4, 40
# Of a lease and its end. Less than the smallest block that malloc has; a leak of one in
# several leases is seen as well, and what grows in one window of four is none.
_LEAK = 16
ENDING_S = 5.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # prctl(2)
_LC_ALL = 6  # setlocale(3), with glibc


def leases_leave_nothing(trial: Trial) -> None:
    """Lease after lease, with its end and a call that fails: no memory, file or thread stays."""
    session = trial.open()
    unit, form = unit_struct(trial.unit()), Form()

    def leases(count: int) -> None:
        for _ in range(count):
            session.require_ok(session.call_lease(unit, form), "lease")
            session.abort(ffi.string(form.struct.lease_id, 64), NONE)
            session.call_commit(b"no-such-lease", PASS)
            session.last_error()

    leases(WARM_UP)
    opened, started = files(), threads()
    meter = _Meter()
    used = [meter.used()]
    for _ in range(WINDOWS):
        leases(LEASES_OF_A_WINDOW)
        used.append(meter.used())
    require(files() <= opened, "leases that have ended leave files open")
    require(threads() <= started, "leases that have ended leave threads running")
    for kind, least in (("allocated", _LEAK), ("mapped", mmap.PAGESIZE)):
        grown = min(after[kind] - before[kind] for before, after in itertools.pairwise(used))
        leaked = grown / LEASES_OF_A_WINDOW
        require(leaked < least, f"each lease and its end leave {leaked:,.0f} bytes {kind}")
    session.close()


class _Mallinfo(ctypes.Structure):
    """``struct mallinfo2`` of glibc; of its ten fields, those that are in use."""

    _fields_ = [(name, ctypes.c_size_t) for name in "abcdefghij"]  # as ctypes has it


class _Meter:
    """What this process uses, by itself without using more each time."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None)
        self._tells = hasattr(self._libc, "mallinfo2")
        if self._tells:
            self._libc.mallinfo2.restype = _Mallinfo

    def used(self) -> dict[str, int]:
        """Bytes that are allocated, where the C library tells them, and bytes that are mapped."""
        gc.collect()
        allocated = 0
        if self._tells:
            info = self._libc.mallinfo2()
            allocated = info.e + info.h  # hblkhd and uordblks
        pages = Path("/proc/self/statm").read_text("ascii").split()[0]
        return {"allocated": allocated, "mapped": int(pages) * mmap.PAGESIZE}


def process_left_alone(trial: Trial) -> None:
    """Everything that a process has only one of is as it was, from the loading to the close."""
    # Whoever is forked and left alone comes to this process.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    before = dict(_process())
    whole_life(trial, trial.open())
    for what, value in _process():
        if what == "files of others":
            require(before[what] <= value, "it closes files that are not its own")
        else:
            require(before[what] == value, f"it changes {what}")


def _process() -> Iterator[tuple[str, set[object]]]:
    """What a process has one of, by the name that a finding gives it."""
    status = Path("/proc/self/status").read_text("utf-8")
    yield "the working directory", {str(Path.cwd())}
    yield "the umask", {*re.findall(r"(?m)^Umask:\s*(\S+)$", status)}
    yield "the environment", set(_environment())
    yield "the session or the process group", {(os.getsid(0), os.getpgid(0))}
    limits = (name for name in dir(resource) if name.startswith("RLIMIT_"))
    yield (
        "the limits of the process",
        {(name, resource.getrlimit(getattr(resource, name))) for name in limits},
    )
    yield "the priority", {os.getpriority(os.PRIO_PROCESS, 0)}
    yield "the rounding of floating point", {ctypes.CDLL("libm.so.6").fegetround()}
    timers = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
    yield "a timer of the process", {(one, signal.getitimer(one) != (0, 0)) for one in timers}
    libc = ctypes.CDLL(None)
    libc.setlocale.restype = ctypes.c_char_p
    yield "the locale", {libc.setlocale(_LC_ALL, None)}
    tasks = Path("/proc/self/task").glob("*/children")
    yield "the children of the process", {child for one in tasks for child in _words(one)}
    yield "files of others", set(_descriptors())


def _environment() -> Iterator[object]:
    """As C has it, and not as Python read it at its start."""
    libc = ctypes.CDLL(None)
    if ctypes.c_void_p.in_dll(libc, "environ").value is None:
        return  # as clearenv leaves it
    variables = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, "environ")
    for index in itertools.count():
        if variables[index] is None:
            return
        yield variables[index]


def _words(path: Path) -> list[str]:
    return path.read_text("ascii").split()


def _descriptors() -> Iterator[object]:
    for one in Path("/proc/self/fd").iterdir():
        try:
            found = one.stat()
        except OSError:
            continue  # that by which the directory was read
        yield one.name, found.st_dev, found.st_ino


def ends_in_peace(trial: Trial) -> None:
    """A process that has had the library ends as it wants to, and soon."""
    heard, telling = os.pipe()
    child = os.fork()
    if child == 0:
        _live_and_end(trial, telling)
    os.close(telling)
    with _watched(child) as pidfd:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        require(poll.poll(ENDING_S * 1000), f"the process does not end within {ENDING_S:g} s")
    _, status = os.waitpid(child, 0)
    finding = os.read(heard, 4096).decode()
    if finding:
        raise Finding(finding)
    code = os.waitstatus_to_exitcode(status)
    killed = f"is killed by {signal.Signals(-code).name}" if code < 0 else f"ends with code {code}"
    require(code == 0, f"a process that ends with code 0 {killed}")


def _live_and_end(trial: Trial, telling: int) -> None:
    """In a process of its own: never returns."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        whole_life(trial, trial.open())
        # With destructors, and with what was registered to be done at the end.
        ctypes.CDLL(None).exit(0)
    except Finding as finding:
        os.write(telling, str(finding).encode())
    finally:
        os._exit(0)


@contextmanager
def _watched(child: int) -> Iterator[int]:
    pidfd = os.pidfd_open(child)
    try:
        yield pidfd
    finally:
        os.close(pidfd)


CHECKS = (
    check(
        "leases-leave-nothing",
        "ten thousand fobs a day for months, in one process",
        leases_leave_nothing,
        contents=1,
    ),
    check(
        "process-left-alone",
        "directory, limits, timers and children are the station's",
        process_left_alone,
        contents=3,
    ),
    check(
        "ends-in-peace",
        "a station that ends with a crash has not ended well",
        ends_in_peace,
        contents=3,
    ),
)
