"""Checks of a guest's manners: it is quiet, punctual, can be interrupted, and leaves no traces."""

import re
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from kfasync.acceptance.check import check
from kfasync.acceptance.pages import CANARY
from kfasync.acceptance.subject import (
    FAIL,
    NONE,
    PASS,
    Form,
    Session,
    name_of,
    require,
    require_result,
    struct,
    unit_struct,
)
from kfasync.acceptance.trial import Trial, files, threads
from kfasync.sources.provider.abi import CANCEL_AFTER_S, KILL_AFTER_S, Result, ffi

SHORT_MS = 50
CANCELLED_LEASES = 20  # that were hit
CANCELLED_TRIES = 200


def error_text_there(trial: Trial) -> None:
    """A failed call says why, in UTF-8, and cuts the sentence off where the buffer ends."""
    session = trial.open()
    result = session.call_commit(b"no-such-lease", PASS)
    require(result < 0, "commit of no lease succeeds")
    room = ffi.new("char[]", 4096)
    size = session.table.last_error(session.handle, room, 4096)
    require(0 < size < 4096, f"last_error tells a length of {size} after a failed call")
    text = ffi.string(room, 4096)
    require(len(text) == size, "last_error tells another length than that of its text")
    require(_is_utf8(text), "last_error is not UTF-8")
    for capacity in (0, 1, 2, size, size + 1):
        ffi.buffer(room)[:] = bytes([CANARY]) * 4096
        told = session.table.last_error(session.handle, room, capacity)
        written = bytes(ffi.buffer(room))
        require(told == size, "last_error tells the length of what it copied, not of the text")
        require(set(written[capacity:]) == {CANARY}, "last_error writes beyond its capacity")
        require(not capacity or b"\0" in written[:capacity], "last_error leaves out the NUL")
        require(text.startswith(written[:capacity].partition(b"\0")[0]), "it is another text")
    require(session.table.last_error(session.handle, ffi.NULL, 0) == size, "no size without room")
    session.close()


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def deadline_kept(trial: Trial) -> None:
    """Every call with a short deadline returns, with what it has or with KFP_E_DEADLINE."""
    subject = trial.load()
    table, session = subject.table(), subject.open(trial.config)
    unit = unit_struct(trial.unit())
    for deadline_ms in (SHORT_MS, 1):
        made, text = ffi.new("kf_provider_ctx **"), ffi.new("char[]", trial.config)
        opening = partial(table.open, text, len(trial.config), deadline_ms, made)
        if _punctual("open", deadline_ms, opening) == Result.OK:
            table.close(made[0])
        form = Form()
        leasing = partial(table.lease, session.handle, unit, deadline_ms, form.struct)
        _punctual("lease", deadline_ms, leasing)
        for name, call in (("commit", table.commit), ("abort", table.abort)):
            lease_id = ffi.new("char[]", session.lease(trial.unit()).lease_id)
            end = struct("kf_end_v1", outcome=PASS, touched=NONE)
            ending = partial(call, session.handle, lease_id, end, deadline_ms)
            _punctual(name, deadline_ms, ending)
    session.close()


def _punctual(name: str, deadline_ms: int, call: Callable[[], int]) -> int:
    """Make a call, and raise a finding when it is late or fails for good.

    A station asks a library to return when its deadline is over, and ends its process after that.
    """
    started = time.monotonic()
    result = call()
    took = time.monotonic() - started
    require(
        took < deadline_ms / 1000 + CANCEL_AFTER_S + KILL_AFTER_S,
        f"{name} with a deadline of {deadline_ms} ms takes {took:.1f} s",
    )
    require(
        result == Result.OK or -299 <= result <= -200 or -2999 <= result <= -2000,
        f"{name} with a short deadline gives {name_of(result)}, which is not retryable",
    )
    return result


def cancel_returns(trial: Trial) -> None:
    """Cancelled from another thread, a call ends well or with KFP_E_CANCELLED; the next works."""
    session = trial.open()
    session.table.cancel(session.handle)
    unit = trial.unit()
    first = session.lease(unit)  # nothing was in progress, so nothing was cancelled
    over, running, hit = threading.Event(), [0], set[int]()

    def cancel() -> None:
        while not over.is_set():
            number = running[0]
            session.table.cancel(session.handle)
            if number and running[0] == number:
                hit.add(number)  # begun before the cancellation, and over after it

    canceller = threading.Thread(target=cancel)
    canceller.start()
    tried = 0
    try:
        # Whether a cancellation finds a call that runs is chance, and with a quick library rare.
        while len(hit) < CANCELLED_LEASES and tried < CANCELLED_TRIES:
            tried += 1
            running[0] = tried
            result = session.call_lease(unit_struct(unit), Form())
            running[0] = 0
            require(
                result in (Result.OK, Result.CANCELLED),
                f"a lease that is cancelled gives {name_of(result)}",
            )
    finally:
        over.set()
        canceller.join()
    trial.remark = f"{len(hit)} of {tried} leases were cancelled while they ran"
    again = session.lease(unit)
    require(again.fesn == first.fesn, "after a cancelled call the unit gets other content")
    session.abort(again.lease_id, NONE)
    session.close()


def whole_life(trial: Trial, session: Session) -> None:
    """Every call once, those that fail too."""
    for end in (PASS, FAIL):
        session.commit(session.lease(trial.unit()).lease_id, end)
    session.abort(session.lease(trial.unit()).lease_id, NONE)
    require_result(session.call_commit(b"no-such-lease", PASS), Result.LEASE, "commit of no lease")
    session.last_error()
    session.counts()
    session.table.cancel(session.handle)
    session.close()


def prints_nothing(trial: Trial) -> None:
    """From open to close, not a byte on standard output or standard error."""
    subject = trial.load()
    subject.table()
    trial.printed()  # what loading printed is another check's affair
    whole_life(trial, subject.open(trial.config))
    printed = trial.printed()
    require(not printed, f"a life cycle prints {printed} bytes")


def signal_handlers_untouched(trial: Trial) -> None:
    """Signals are handled, ignored and blocked as before, from the loading on."""
    # Those of Python's own make way, or a change of them would not be seen.
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    before = _signals()
    whole_life(trial, trial.open())
    for kind, mask in _signals().items():
        changed = [one.name for one in signal.Signals if (mask ^ before[kind]) >> (one - 1) & 1]
        require(not changed, f"the signals that are {kind} change: {', '.join(changed)}")


def _signals() -> dict[str, int]:
    status = Path("/proc/self/status").read_text("utf-8")
    kinds = {"blocked": "SigBlk", "ignored": "SigIgn", "caught": "SigCgt"}
    masks = {}
    for kind, field in kinds.items():
        found = re.search(rf"^{field}:\s*([0-9a-f]+)$", status, re.MULTILINE)
        masks[kind] = int(found[1], 16) if found else 0
    return masks


def contexts_come_and_go(trial: Trial) -> None:
    """Contexts are opened side by side and closed again, and nothing of them is left."""
    subject = trial.load()
    subject.open(trial.config).close()
    opened, started = files(), threads()
    for _ in range(5):
        pair = [subject.open(trial.config) for _ in range(2)]
        for session in pair:
            session.close()
    require(files() <= opened, "closed contexts leave files open")
    require(threads() <= started, "closed contexts leave threads running")


CHECKS = (
    check(
        "error-text-there",
        "an operator can act on a sentence, and not on a number",
        error_text_there,
    ),
    check(
        "deadline-kept", "a lane that waits is a line that stands still", deadline_kept, contents=5
    ),
    check("cancel-returns", "a station that is told to stop stops", cancel_returns, contents=1),
    check(
        "prints-nothing",
        "what it prints may hold a secret, and spoils the station's output",
        prints_nothing,
        contents=3,
    ),
    check(
        "signal-handlers-untouched",
        "Ctrl-C and the supervisor's signals are the station's",
        signal_handlers_untouched,
        contents=3,
    ),
    check("contexts-come-and-go", "a station runs for months", contexts_come_and_go),
)
