"""An open library: one call of its table after the other, and the structures that they take."""

from typing import Any

import msgspec

from kfasync.errors import ProviderError
from kfasync.model import Outcome, Touched, Unit
from kfasync.sources.provider.abi import (
    TEXT_MAX,
    Result,
    begin,
    breach,
    decode,
    ffi,
    printable,
    refusal,
)
from kfasync.sources.provider.memory import Region, Seat
from kfasync.sources.provider.parcel import Slip

# What is offered first: a fob takes about 3 KiB of items and 200 bytes of secrets.
_FIRST_ITEMS, _FIRST_SECRETS = 64 * 1024, 4 * 1024
_GROWTHS = 2


class PoolCounts(msgspec.Struct, frozen=True):
    """How much content a library has in each state."""

    free: int
    leased: int
    consumed: int
    quarantined: int


class Context:
    """An open provider: one call at a time, except :meth:`cancel`."""

    def __init__(self, name: str, table: Any, pool: Any, handle: Any) -> None:
        self._name = name
        self._table = table
        self._pool = pool
        self._handle = handle

    def lease(self, unit: Unit, seat: Seat, deadline_ms: int) -> Slip:
        """Content for a unit, in the tails of the seat's two buffers.

        Raises:
            SourceError: the library refuses, or answers what cannot be.
        """
        who = _unit(unit)
        sizes = [_FIRST_ITEMS, _FIRST_SECRETS]
        for _ in range(1 + _GROWTHS):
            items, secrets = _pointer(seat.items, sizes[0]), _pointer(seat.secrets, sizes[1])
            lease = _room(items, secrets, sizes)
            result = self._table.lease(self._handle, who, deadline_ms, lease)
            needed = [lease.items_size, lease.secrets_size]
            if result != Result.SPACE:
                self.require_ok(result)
                return self._slip(lease, *sizes)
            if all(need <= size for need, size in zip(needed, sizes, strict=True)):
                raise breach(self._name, "asked for more room than it was given, and named less")
            sizes = [max(pair) for pair in zip(needed, sizes, strict=True)]
            if sizes[0] > seat.items.size or sizes[1] > seat.secrets.size:
                raise breach(
                    self._name,
                    f"wants {sizes[0]} bytes for items and {sizes[1]} for secrets; "
                    f"{seat.items.size} and {seat.secrets.size} is all there is",
                )
        raise breach(
            self._name, f"was not content with the room that it asked for {_GROWTHS} times"
        )

    def commit(self, lease_id: str, outcome: Outcome, deadline_ms: int) -> None:
        """The unit is done, or has failed for good.

        Raises:
            SourceError: the library refuses.
        """
        word = "KFP_OUTCOME_PASS" if outcome is Outcome.PASS else "KFP_OUTCOME_FAIL"
        end = _end(outcome=ffi.integer_const(word))
        name = ffi.new("char[]", lease_id.encode())
        self.require_ok(self._table.commit(self._handle, name, end, deadline_ms))

    def abort(self, lease_id: str, touched: Touched, deadline_ms: int) -> None:
        """The attempt ended without an outcome.

        Raises:
            SourceError: the library refuses.
        """
        end = _end(touched=ffi.integer_const(f"KFP_TOUCHED_{touched.name}"))
        name = ffi.new("char[]", lease_id.encode())
        self.require_ok(self._table.abort(self._handle, name, end, deadline_ms))

    def count(self) -> PoolCounts:
        """How much content there is.

        Raises:
            SourceError: the library refuses, or cannot count.
        """
        if self._pool is None:
            raise ProviderError(None, f"provider {self._name} does not count its content")
        counts = ffi.new("kf_pool_counts_v1 *", begin("kf_pool_counts_v1"))
        self.require_ok(self._pool.count(self._handle, counts))
        return PoolCounts(counts.free, counts.leased, counts.consumed, counts.quarantined)

    def cancel(self) -> None:
        """From any thread: the call in progress is to return soon."""
        self._table.cancel(self._handle)

    def close(self) -> None:
        """The last call."""
        self._table.close(self._handle)

    def last_error(self) -> str:
        """What the last call that failed on this thread had to say."""
        text = ffi.new("char[]", TEXT_MAX)
        self._table.last_error(self._handle, text, len(text))
        return printable(ffi.unpack(text, len(text)).partition(b"\0")[0])

    def require_ok(self, result: int) -> None:
        """Raise what a result below 0 means; above 0 there is none."""
        if result < 0:
            raise refusal(self._name, result, self.last_error())
        if result > 0:
            raise breach(self._name, f"gave {result} for a result")

    def _slip(self, lease: Any, items: int, secrets: int) -> Slip:
        # Whether the sizes can be is asked where the buffers are read. The capacities are those
        # that were offered: the library could have changed what stands in the structure.
        return Slip(
            lease_id=_text(self._name, lease.lease_id, "a lease id"),
            fesn=_text(self._name, lease.fesn, "a FESN"),
            spid=_text(self._name, lease.spid, "an SPID"),
            items_capacity=items,
            items_size=lease.items_size,
            secrets_capacity=secrets,
            secrets_size=lease.secrets_size,
            ttl_ms=lease.ttl_ms,
            flags=lease.flags,
            kvn=lease.kvn,
            kcv=bytes(lease.kcv),
        )


# ------------------------------------------------------------------ structures


def _unit(unit: Unit) -> Any:
    return ffi.new(
        "kf_unit_v1 *",
        {
            **begin("kf_unit_v1"),
            "uid_size": len(unit.uid),
            "diversification_uid_size": len(unit.diversification_uid),
            "atr_size": len(unit.atr),
            "uid": unit.uid,
            "diversification_uid": unit.diversification_uid,
            "atr": unit.atr,
            "profile": unit.profile.encode()[:63],
            "aid_size": len(unit.aid),
            "aid": unit.aid,
        },
    )


def _room(items: Any, secrets: Any, sizes: list[int]) -> Any:
    # A structure does not keep alive what it points to: the caller holds the two pointers.
    return ffi.new(
        "kf_lease_v1 *",
        {
            **begin("kf_lease_v1"),
            "items": items,
            "secrets": secrets,
            "items_capacity": sizes[0],
            "secrets_capacity": sizes[1],
        },
    )


def _pointer(region: Region, size: int) -> Any:
    # No view is held beyond this line: the garbage collector of CPython 3.11 may clear a
    # memoryview before the cffi object that has its buffer, and releasing it then is a crash.
    with ffi.from_buffer("uint8_t[]", region.tail(size)) as held:
        return held + 0


def _end(outcome: int = 0, touched: int = 0) -> Any:
    return ffi.new("kf_end_v1 *", {**begin("kf_end_v1"), "outcome": outcome, "touched": touched})


def _text(name: str, field: Any, what: str) -> str:
    data = bytes(ffi.buffer(field))
    text, end, _ = data.partition(b"\0")
    if not end:
        raise breach(name, f"leased {what} that does not end")
    return decode(name, text, what)
