"""NativeFob: the task as C takes it, and the ways of calling C for it.

Binds `native/include/kf_core.h` directly, because the way of calling is what is compared; the
product's own way is :class:`kfasync.crypto.native.NativePath`.
"""

import functools
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from kfasync._kf_core import ffi, lib
from kfasync.bench.byhand import Cbc, blocks
from kfasync.bench.task import Task
from kfasync.errors import CryptoPathError
from kfasync.secret import Secret

KEY_SIZE = 16
_SIZES = struct.Struct("=12I")  # where EXTERNAL AUTHENTICATE and the 11 STORE DATA commands end
_EXTERNAL_AUTHENTICATE = 5 + 16
_CAPACITY = 4096  # the commands of the task, secured, have 1,873 bytes


class NativeFob:
    """The task in memory that is made once, as a caller in a hurry would have it.

    :mod:`kfasync.crypto.native` makes its buffers for each fob, for it does not know how
    large the next one is. What can be bound is bound, because looking up an attribute costs
    as much as three blocks of AES.
    """

    def __init__(self, task: Task, tier: int) -> None:
        self._task = task
        self._tier = tier
        self._keep: list[Any] = []
        self._out = ffi.new("uint8_t[]", _CAPACITY)
        self._ends = ffi.new("uint32_t[12]")
        # Slices of it are bytes objects, made without a step between.
        self._bytes = ffi.buffer(self._out)
        opening, kcv = task.opening, task.keys.kcv
        keys = (self._copied(key.expose()) for key in (task.keys.enc, task.keys.mac, task.keys.dek))
        self._keys = (*keys, KEY_SIZE, kcv.enc + kcv.mac + kcv.dek)
        self._opening = (_terms(task), opening.host_challenge, opening.answer, len(opening.answer))
        self._items = (self._items_of(task), len(task.items))
        self._room = (self._out, _CAPACITY, self._ends, ffi.new("uint32_t *", 12))
        self._layout = ffi.new("uint32_t *")
        self._all = (*self._opening, self._layout, *self._items, *self._room)
        self._slot = ffi.gc(_got(lib.kf_slot_get(tier)), lib.kf_slot_put)
        check(lib.kf_slot_load(self._slot, *self._keys))

    def objects(self) -> Callable[[], tuple[bytes, ...]]:
        """Session and commands in one call, each command an object."""
        call = partial(lib.kf_open_and_wrap, self._slot, *self._all)
        data, ends = self._bytes, ffi.buffer(self._ends)

        def work() -> tuple[bytes, ...]:
            if code := call():
                check(code)
            return _cut_at(bytes(ends))(data)

        return work

    def one_bytes(self) -> Callable[[], bytes]:
        """Session and commands in one call, all of them one object."""
        call = partial(lib.kf_open_and_wrap, self._slot, *self._all)
        data, ends = self._bytes, self._ends

        def work() -> bytes:
            if code := call():
                check(code)
            commands: bytes = data[: ends[11]]
            return commands

        return work

    def whole(self) -> Callable[[], bytes]:
        """What kf_bench_fob does: keys into a slot, session, commands, slot wiped."""
        get, put, load = lib.kf_slot_get, lib.kf_slot_put, lib.kf_slot_load
        call, arguments, data, ends = lib.kf_open_and_wrap, self._all, self._bytes, self._ends
        tier, keys = self._tier, self._keys

        def work() -> bytes:
            slot = _got(get(tier))
            code = load(slot, *keys) or call(slot, *arguments)
            put(slot)
            if code:
                check(code)
            commands: bytes = data[: ends[11]]
            return commands

        return work

    def session(self) -> Callable[[], bytes]:
        """The session alone."""
        call = partial(lib.kf_session_open, self._slot, *self._opening, self._layout, self._out)
        data = self._bytes

        def work() -> bytes:
            if code := call():
                check(code)
            command: bytes = data[:_EXTERNAL_AUTHENTICATE]
            return command

        return work

    def by_wrap(self) -> Callable[[], list[bytes]]:
        """A call for the session and one for each command, put together in Python."""
        wrap, slot, out, data = lib.kf_wrap_batch, self._slot, self._out, self._bytes
        task, plan = self._task, self._task.plan
        dek, session = cbc(self._tier, bytes(task.keys.dek.expose())), self.session()
        size, end = ffi.new("uint32_t *"), ffi.new("uint32_t *")

        def secured(plain: bytes) -> bytes:
            size[0] = len(plain)
            if code := wrap(slot, plain, size, 1, out, _CAPACITY, end):
                check(code)
            command: bytes = data[: end[0]]
            return command

        def work() -> list[bytes]:
            commands = [session()]
            fields = blocks(dek, task)
            for number, field in enumerate(fields):
                header = bytes((0x80, 0xE2, plan.p1, number, len(field)))
                commands.append(secured(header + field))
            commands.append(secured(bytes((0x80, 0xE2, plan.last_p1, len(fields)))))
            return commands

        return work

    def raw(self, repeats: int, best: Any) -> int:
        """The same in C, timed there."""
        code: int = lib.kf_bench_fob(
            self._tier,
            *self._keys,
            *self._opening,
            *self._items,
            self._out,
            _CAPACITY,
            repeats,
            best,
        )
        return code

    def _items_of(self, task: Task) -> Any:
        items = ffi.new("kf_item[]", len(task.items))
        for entry, item in zip(items, task.items, strict=True):
            value = item.value.expose() if isinstance(item.value, Secret) else item.value
            entry.value, entry.size = self._copied(value), len(value)
            entry.dgi, entry.under_dek = item.dgi, item.under_dek
        return items

    def _copied(self, data: memoryview | bytes) -> Any:
        # A cffi structure does not keep what it points at.
        self._keep.append(ffi.new("uint8_t[]", bytes(data)))
        return self._keep[-1]


@functools.lru_cache(maxsize=64)
def _cut_at(ends: bytes) -> Callable[[Any], tuple[bytes, ...]]:
    """Cuts the output there in one step; the fobs of a profile end at few different places."""
    at = _SIZES.unpack(ends)
    sizes = (end - start for start, end in zip((0, *at), at, strict=False))
    return struct.Struct("".join(f"{size}s" for size in sizes)).unpack_from


def cbc(tier: int, key: bytes) -> Cbc:
    """CBC by one call each, which expands the key each time."""

    def encrypt(icv: bytes, plain: bytes) -> bytes:
        out = ffi.new("uint8_t[]", len(plain))
        check(lib.kf_cbc_encrypt(tier, key, len(key), icv, plain, len(plain), out))
        return bytes(out)

    return encrypt


def check(code: int) -> None:
    """Raise CryptoPathError unless C is content."""
    if code == lib.KF_E_TIER:
        raise CryptoPathError("this CPU has no instruction for a round of AES")
    if code:
        raise CryptoPathError(f"the C core refuses what is to be measured ({code})")


def _got(slot: Any) -> Any:
    if not slot:
        raise CryptoPathError("there is no slot of locked memory for the measurement")
    return slot


def _terms(task: Task) -> Any:
    opening, plan = task.opening, task.plan
    return ffi.new(
        "kf_terms *",
        {
            "security_level": opening.security_level,
            "mac_size": 8,
            "key_version": opening.key_version,
            "layout_count": 1,
            "layouts": [lib.KF_LAYOUT_GP],
            "store_data_p1": plan.p1,
            "store_data_last_p1": plan.last_p1,
            "block_size": plan.block_size,
            "aid_size": len(opening.aid),
            "aid": opening.aid,
        },
    )
