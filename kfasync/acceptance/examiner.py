"""The process that runs the checks: each act in a fork of its own, under a deadline.

``python -m kfasync.acceptance.examiner`` reads a :class:`Job` a line from
standard input, and answers each with an :class:`Introduction` and then a :class:`Verdict` a
line. It has one thread and never loads a library itself, so that every fork begins with a clean
process, and costs milliseconds.
"""

import ctypes
import gc
import os
import resource
import select
import signal
import sys
import time
from typing import NoReturn

import msgspec

from kfasync.acceptance import (
    border,
    buffers,
    contents,
    killed,
    life,
    manners,
    secrecy,
    traces,
)
from kfasync.acceptance.check import Act, Check
from kfasync.acceptance.observed import Observed, observe
from kfasync.acceptance.subject import Finding
from kfasync.acceptance.trial import Job, Trial
from kfasync.sources.provider.abi import ffi

CHECKS: tuple[Check, ...] = (
    *border.CHECKS,
    *buffers.CHECKS,
    *secrecy.CHECKS,
    *life.CHECKS,
    *killed.CHECKS,
    *manners.CHECKS,
    *traces.CHECKS,
    *contents.CHECKS,  # the last: they judge what all the others have leased
)
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Introduction(msgspec.Struct, frozen=True):
    """What a library says of itself; ``trouble`` is why it could not be asked."""

    name: str = ""
    version: str = ""
    free: int | None = None
    trouble: str | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What a check has found; no finding when the library does it right.

    ``remark`` says how sure that is, where it depends on chance.
    """

    name: str
    reason: str
    finding: str | None
    duration_s: float
    remark: str = ""


class _Told(msgspec.Struct):
    """What the process of one act has to say at its end."""

    testimony: str = ""
    finding: str | None = None
    remark: str = ""
    contents: tuple[Observed, ...] = ()


def introduce(trial: Trial) -> str:
    """Name, version and how much content is free."""
    session = trial.open()
    counts = session.counts()
    texts = (ffi.string(text, 256) for text in (session.table.name, session.table.version))
    name, version = (text.decode("utf-8", "replace") for text in texts)
    made = Introduction(name, version, counts[0] if counts else None)
    session.close()
    return msgspec.json.encode(made).decode()


def examine(job: Job, check: Check, contents: list[Observed]) -> Verdict:
    """One check, act after act.

    Args:
        contents: what has been leased in this run; what this check leases is added.
    """
    started = time.monotonic()
    told = _Told()
    for act in check.acts:
        trial = Trial(job, check.name, told.testimony)
        told = _perform(act, trial)
        contents += told.contents
        if told.finding is not None:
            break
    finding = told.finding
    if finding is None and check.judgement is not None:
        try:
            check.judgement(contents)
        except Finding as found:
            finding = str(found)
    took_s = time.monotonic() - started
    return Verdict(check.name, check.reason, finding, took_s, told.remark)


def _perform(act: Act, trial: Trial) -> _Told:
    """One act in a fork, which is killed as soon as it has told what it has to."""
    end, telling = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end)
        _be_examined(act, trial, telling)
    os.close(telling)
    pidfd = os.pidfd_open(child)
    try:
        message = _await(end, pidfd, trial.job.deadline_s)
    finally:
        os.kill(child, signal.SIGKILL)  # what has ended by itself keeps how it did
        _, status = os.waitpid(child, 0)
        os.close(end)
        os.close(pidfd)
    if message is None:
        return _Told(finding=f"it has not ended after {trial.job.deadline_s:g} s")
    if not message:
        return _Told(finding=_ending(status))
    try:
        return msgspec.json.decode(message, type=_Told)
    except msgspec.DecodeError:
        return _Told(finding="it writes into a file that is not its own")


def _be_examined(act: Act, trial: Trial, telling: int) -> NoReturn:
    """The whole life of the forked process."""
    told = _Told()
    try:
        _go_alone()
        try:
            told.testimony = act(trial) or ""
        except Finding as finding:
            told.finding = str(finding)
        except Exception as error:  # a check that cannot cope has not passed either
            told.finding = f"the check cannot go on: {type(error).__name__}: {error}"
        told.remark = trial.remark
        told.contents = tuple(map(observe, trial.leased))
        os.write(telling, msgspec.json.encode(told) + b"\n")
        # To be killed is not to end: nothing of the library runs at an exit.
        signal.pause()
    finally:
        os._exit(1)  # whatever happened, there is no second examiner


def _go_alone() -> None:
    """What it prints is counted, it reads nothing, dumps no core, and dies with the examiner."""
    output = os.memfd_create("printed", os.MFD_CLOEXEC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, of in ((0, nothing), (1, output), (2, output)):
        os.dup2(of, descriptor)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _await(telling: int, pidfd: int, deadline_s: float) -> bytes | None:
    """The line that an act has told; empty when it ended without, None when it does not end."""
    message = b""
    poll = select.poll()
    for descriptor in (telling, pidfd):
        poll.register(descriptor, select.POLLIN)
    until = time.monotonic() + deadline_s
    while not message.endswith(b"\n"):
        ready = dict(poll.poll(max(0.0, until - time.monotonic()) * 1000))
        if not ready:
            return None
        if ready.get(telling, 0) & select.POLLIN:
            message += os.read(telling, 65536)
        elif pidfd in ready:
            return b""
        else:
            poll.unregister(telling)  # closed, and not by us: only its end is to be waited for
    return message


def _ending(status: int) -> str:
    """How a process ended that was to go on."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"the process is killed by {signal.Signals(-code).name}"
    return f"the process is ended with exit code {code}"


def main() -> None:
    """Introduce each library, then run the checks that are asked for."""
    gc.freeze()  # or each fork would copy what its collector looks at
    for line in sys.stdin.buffer:
        job = msgspec.json.decode(line, type=Job)
        told = _perform(introduce, Trial(job, "introduction"))
        trouble = Introduction(trouble=told.finding)
        print(told.testimony or msgspec.json.encode(trouble).decode(), flush=True)
        contents: list[Observed] = []
        for check in CHECKS:
            if check.name in job.names:
                verdict = examine(job, check, contents)
                print(msgspec.json.encode(verdict).decode(), flush=True)


if __name__ == "__main__":
    main()
