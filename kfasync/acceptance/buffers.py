"""Checks of the host's buffers: sizes first, then content, not one byte too far nor too late."""

import time

from kfasync.acceptance.check import check
from kfasync.acceptance.pages import CANARY, Walled
from kfasync.acceptance.subject import (
    NONE,
    Form,
    Session,
    require,
    require_result,
    unit_struct,
)
from kfasync.acceptance.trial import Trial
from kfasync.model import Unit
from kfasync.sources.provider.abi import Result, ffi

_MORE = 64  # bytes of room that a library need not use
_LATE_S = 0.2  # for a thread of the library that has not done yet


def _sizes(session: Session, unit: Unit) -> tuple[int, int]:
    """What a lease needs, asked for without any buffer."""
    form = Form(0, 0)
    form.struct.items = form.struct.secrets = ffi.NULL
    result = session.call_lease(unit_struct(unit), form)
    if result != Result.SPACE:
        session.require_ok(result, "lease without buffers")
    require_result(result, Result.SPACE, "lease without buffers")
    sizes = form.struct.items_size, form.struct.secrets_size
    require(all(sizes), "lease without buffers tells no sizes")
    return sizes


def sizing_consumes_nothing(trial: Trial) -> None:
    """Asking for sizes neither uses content up nor binds it."""
    session = trial.open()
    before = session.counts()
    units = [trial.unit() for _ in range(3)]
    for unit in units:
        _sizes(session, unit)
    require(session.counts() == before, "asking for sizes changes the pool")
    session.close()
    again = trial.open()
    require(again.counts() == before, "asking for sizes has changed the pool when it is reopened")
    leases = [again.lease(unit) for unit in reversed(units)]
    require(len({lease.fesn for lease in leases}) == len(units), "sized units share content")
    for lease in leases:
        again.abort(lease.lease_id, NONE)
    again.close()


def buffer_one_too_small(trial: Trial) -> None:
    """One byte too few in either buffer: the right sizes, and nothing written."""
    session = trial.open()
    unit = trial.unit()
    sizes = _sizes(session, unit)
    for short in (0, 1):
        capacities = [size - (at == short) for at, size in enumerate(sizes)]
        form = Form(*capacities)
        for buffer in (form.items, form.secrets):
            ffi.buffer(buffer)[:] = bytes([CANARY]) * len(buffer)
        result = session.call_lease(unit_struct(unit), form)
        which = ("items", "secrets")[short]
        require_result(result, Result.SPACE, f"lease with a buffer for {which} one byte too small")
        told = form.struct.items_size, form.struct.secrets_size
        require(told == sizes, "the sizes are others than without buffers")
        for name, buffer in (("items", form.items), ("secrets", form.secrets)):
            untouched = set(bytes(ffi.buffer(buffer))) == {CANARY}
            require(untouched, f"KFP_E_SPACE, and yet something is written into {name}")
    session.close()


def buffer_exact(trial: Trial) -> None:
    """Buffers of exactly the sizes that were told are enough."""
    session = trial.open()
    unit = trial.unit()
    sizes = _sizes(session, unit)
    form = Form(*sizes)
    # The room behind each is the library's to be wrong about in buffer-at-guard-page.
    form.items, form.secrets = (ffi.new("uint8_t[]", size + 4096) for size in sizes)
    form.struct.items, form.struct.secrets = form.items, form.secrets
    session.require_ok(session.call_lease(unit_struct(unit), form), "lease with exact buffers")
    lease = form.content()
    require((len(lease.items), len(lease.secrets)) == sizes, "a lease is not as large as was told")
    session.abort(lease.lease_id, NONE)
    session.close()


def buffer_at_guard_page(trial: Trial) -> None:
    """Not one byte before or behind the buffers is read or written: there is no memory there."""
    session = trial.open()
    unit = trial.unit()
    sizes = _sizes(session, unit)
    for more, first in ((0, False), (_MORE, False), (_MORE, True)):
        # The walls stand as long as they have a name.
        _walls, form = _walled(sizes, more, first=first)
        result = session.call_lease(unit_struct(unit), form)
        # That exact buffers are enough is another check's affair.
        if more or result != Result.SPACE:
            session.require_ok(result, "lease with buffers at the end of memory")
    session.abort(form.content().lease_id, NONE)
    session.close()


def buffers_left_alone(trial: Trial) -> None:
    """What has been handed over is not written to afterwards, by whatever call or thread."""
    session = trial.open()
    units = [trial.unit() for _ in range(2)]
    walls, form = _walled(_sizes(session, units[0]), _MORE)
    session.require_ok(session.call_lease(unit_struct(units[0]), form), "lease")
    lease_id = form.content().lease_id
    for wall in walls:
        wall.close()
    other = session.lease(units[1])
    session.abort(other.lease_id, NONE)
    session.abort(lease_id, NONE)
    session.last_error()
    session.table.cancel(session.handle)
    time.sleep(_LATE_S)
    session.close()


def _walled(sizes: tuple[int, int], more: int, *, first: bool = False) -> tuple[list[Walled], Form]:
    """A form whose buffers have walls, and the walls, which are to live as long."""
    walls = [Walled(size + more, first=first) for size in sizes]
    form = Form(*(size + more for size in sizes))
    form.struct.items, form.struct.secrets = (ffi.cast("uint8_t *", wall.address) for wall in walls)
    return walls, form


CHECKS = (
    check(
        "sizing-consumes-nothing",
        "every lease is asked for twice",
        sizing_consumes_nothing,
        contents=3,
    ),
    check(
        "buffer-one-too-small",
        "half a lease must not look like a whole one",
        buffer_one_too_small,
        contents=1,
    ),
    check(
        "buffer-exact",
        "a host that believes the sizes would never get a lease",
        buffer_exact,
        contents=1,
    ),
    check(
        "buffer-at-guard-page",
        "what lies around a buffer belongs to somebody else",
        buffer_at_guard_page,
        contents=1,
    ),
    check(
        "buffers-left-alone",
        "when the call has returned, the next fob's content is in them",
        buffers_left_alone,
        contents=2,
    ),
)
