"""A host with the hostile provider behind it, and what a test asks of the system about it."""

import gc
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kfasync.crypto.heap import HeapVault
from kfasync.secret import Secret
from kfasync.sources.provider.host import ProviderHost
from kfasync.sources.provider.library import digest
from kfasync.sources.provider.memory import Arena, Seat
from kfasync.sources.provider.parcel import Unpacked
from kfasync.sources.provider.wire import Open
from tests.native_build import broken_provider
from tests.station.desks import unit

GUILTY = 13  # the unit that a hostile provider misbehaves for
PATIENT = 100  # from this unit on it waits until it is cancelled or dies, the first time
DEADLINE_S = 5.0


def config(misbehave: str = "", **further: Any) -> bytes:
    return json.dumps({"misbehave": misbehave, "unit": GUILTY, **further}).encode()


def opening(misbehave: str = "", *flags: str, **further: Any) -> Open:
    library = broken_provider("hostile", *flags)
    return Open(str(library), digest(library), config(misbehave, **further))


@contextmanager
def hostile_host(
    misbehave: str = "",
    *flags: str,
    in_process: bool = False,
    deadline_s: float = DEADLINE_S,
    **further: Any,
) -> Iterator[ProviderHost]:
    ask = opening(misbehave, *flags, **further)
    host = ProviderHost.open(
        Path(ask.path), ask.sha256, ask.config, deadline_s=deadline_s, in_process=in_process
    )
    try:
        yield host
    finally:
        host.close()


def lease(host: ProviderHost, number: int) -> Unpacked:
    _, parcel = host.lease(unit(number), HeapVault())
    return parcel


def secrets_of(number: int) -> tuple[bytes, bytes]:
    """The scalar and the IRK that the hostile provider has for a unit."""
    return bytes((0xA0 + number,)) * 32, bytes((0xB0 + number,)) * 16


def require_right(parcel: Unpacked, number: int) -> None:
    """The parcel is this unit's, whole."""
    assert parcel.content.fesn == f"HOST{number:04}"
    assert [item.dgi for item in parcel.items] == [0xA003, 0xA001, 0xA002, 0xA004, 0xA005, 0xA006]
    values = [item.value for item in parcel.items if isinstance(item.value, Secret)]
    assert [bytes(value.expose()) for value in values] == list(secrets_of(number))


@contextmanager
def waiting_room(directory: Path) -> Iterator[Callable[[], None]]:
    """Where patient units announce themselves; what is given waits for the next of them."""
    pipe = directory / "pipe-0"
    os.mkfifo(pipe)
    # Open for both: so nobody waits for the other side, and no byte is lost between two.
    descriptor = os.open(pipe, os.O_RDWR)
    try:
        yield lambda: require_one(os.read(descriptor, 1))
    finally:
        os.close(descriptor)


def require_one(byte: bytes) -> None:
    assert byte == b"!"


@contextmanager
def seat() -> Iterator[Seat]:
    """One seat in this process, guarded."""
    arena, descriptor = Arena.create(1, guarded=True)
    os.close(descriptor)
    try:
        yield arena.seats[0]
    finally:
        arena.close()


# ----------------------------------------------------------------------------- the system


_OTHERS: set[int] = set()


def disregard_others() -> None:
    """From here on, :func:`children` leaves out who is there now: a daemon of other tests."""
    _OTHERS.update(children())


def children(of: int | None = None) -> dict[int, str]:
    """State letters of the processes that a process has started, by pid."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it ended while we looked
        pid = int(path.parent.name)
        if int(parent) == (of or os.getpid()) and pid not in _OTHERS:
            found[pid] = state
    return found


def descriptors() -> int:
    gc.collect()  # what an error's traceback still holds is not what is asked for
    return len(list(Path("/proc/self/fd").iterdir()))
