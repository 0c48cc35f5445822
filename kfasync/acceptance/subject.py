"""A library under test, called as the interface says and, on purpose, as it says one must not.

Nothing is validated here that a check is there to find: a call gives its result, and what is
made of it is the check's affair. :class:`Session` adds what most checks want, a lease or an end
that has to succeed.
"""

import ctypes
import os
from typing import Any, NamedTuple, Self

from kfasync.model import Unit
from kfasync.sources.provider.abi import ABI, STRUCT_VERSION, Result, ffi, printable

PATIENCE_MS = 10_000  # of a call whose deadline is not what is being checked
ITEMS_CAPACITY, SECRETS_CAPACITY = 256 * 1024, 16 * 1024

PASS: int = ffi.integer_const("KFP_OUTCOME_PASS")
FAIL: int = ffi.integer_const("KFP_OUTCOME_FAIL")
NONE: int = ffi.integer_const("KFP_TOUCHED_NONE")
PARTIAL: int = ffi.integer_const("KFP_TOUCHED_PARTIAL")
UNKNOWN: int = ffi.integer_const("KFP_TOUCHED_UNKNOWN")


class Finding(Exception):  # noqa: N818  # what a check is made to find is no error of ours
    """What a check has found wrong with a library, in one sentence without a secret."""


def require(good: object, what: str) -> None:
    """Raise the finding unless it is good."""
    if not good:
        raise Finding(what)


def name_of(result: int) -> str:
    """A result as the header calls it."""
    try:
        name = Result(result).name
    except ValueError:
        return f"result {result}"
    return "KFP_OK" if result == Result.OK else f"KFP_E_{name}"


def require_result(result: int, wanted: int, call: str, said: str = "") -> None:
    """Raise a finding unless a call ended as it has to."""
    own = f'; it says: "{said}"' if said and result != Result.OK else ""
    require(result == wanted, f"{call} gives {name_of(result)}, not {name_of(wanted)}{own}")


class Content(NamedTuple):
    """What a lease holds; content of a test pool, so that its secrets may be ``bytes``."""

    lease_id: bytes
    fesn: bytes
    spid: bytes
    kvn: int
    kcv: bytes
    items: bytes
    secrets: bytes

    @property
    def issued(self) -> tuple[object, ...]:
        """All but the name of the lease, which may be another one each time."""
        return self[1:]


def struct(kind: str, **fields: object) -> Any:
    """A structure of version 1 with its size filled in."""
    made = ffi.new(f"{kind} *")
    made.struct_size, made.struct_version = ffi.sizeof(kind), STRUCT_VERSION
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def unit_struct(unit: Unit) -> Any:
    """``kf_unit_v1`` of a unit."""
    made = struct("kf_unit_v1", uid_size=len(unit.uid), atr_size=len(unit.atr))
    made.diversification_uid_size = len(unit.diversification_uid)
    ffi.memmove(made.uid, unit.uid, len(unit.uid))
    ffi.memmove(made.diversification_uid, unit.diversification_uid, len(unit.diversification_uid))
    ffi.memmove(made.atr, unit.atr, len(unit.atr))
    made.profile = unit.profile.encode()
    made.aid_size = len(unit.aid)
    ffi.memmove(made.aid, unit.aid, len(unit.aid))
    return made


class Form:
    """A ``kf_lease_v1`` and the buffers that it offers."""

    def __init__(self, items: int = ITEMS_CAPACITY, secrets: int = SECRETS_CAPACITY) -> None:
        # One byte at least: a pointer is there to be seen even when nothing fits.
        self.items, self.secrets = (ffi.new("uint8_t[]", max(n, 1)) for n in (items, secrets))
        self.struct = struct("kf_lease_v1")
        self.struct.items, self.struct.items_capacity = self.items, items
        self.struct.secrets, self.struct.secrets_capacity = self.secrets, secrets

    def content(self) -> Content:
        """What the library has filled in, as far as the capacities allow to look."""
        made = self.struct
        require(
            made.items_size <= made.items_capacity and made.secrets_size <= made.secrets_capacity,
            "lease succeeds with sizes that are larger than the buffers",
        )
        return Content(
            lease_id=ffi.string(made.lease_id, 64),
            fesn=ffi.string(made.fesn, 16),
            spid=ffi.string(made.spid, 48),
            kvn=made.kvn,
            kcv=bytes(ffi.buffer(made.kcv)),
            items=bytes(ffi.buffer(made.items, made.items_size)),
            secrets=bytes(ffi.buffer(made.secrets, made.secrets_size)),
        )


class Session:
    """An open context."""

    def __init__(self, table: Any, handle: Any, leased: list[Content] | None = None) -> None:
        self.table = table
        self.handle = handle
        self._leased: list[Content] = [] if leased is None else leased

    def call_lease(self, unit: Any, form: Any, deadline_ms: int = PATIENCE_MS) -> int:
        """``lease`` with structures, or a :class:`Form`; nothing is made of its result."""
        # A structure does not keep alive what it points to, which is the form's.
        lease = form.struct if isinstance(form, Form) else form
        result: int = self.table.lease(self.handle, unit, deadline_ms, lease)
        return result

    def call_commit(self, lease_id: bytes, outcome: int) -> int:
        """``commit``, and nothing made of its result."""
        end = struct("kf_end_v1", outcome=outcome)
        text = ffi.new("char[]", lease_id)
        result: int = self.table.commit(self.handle, text, end, PATIENCE_MS)
        return result

    def call_abort(self, lease_id: bytes, touched: int) -> int:
        """``abort``, and nothing made of its result."""
        end = struct("kf_end_v1", touched=touched)
        text = ffi.new("char[]", lease_id)
        result: int = self.table.abort(self.handle, text, end, PATIENCE_MS)
        return result

    def lease(self, unit: Unit) -> Content:
        """A lease that has to succeed."""
        form = Form()
        self.require_ok(self.call_lease(unit_struct(unit), form), "lease")
        content = form.content()
        self._leased.append(content)
        return content

    def commit(self, lease_id: bytes, outcome: int) -> None:
        """A commit that has to succeed."""
        self.require_ok(self.call_commit(lease_id, outcome), "commit")

    def abort(self, lease_id: bytes, touched: int) -> None:
        """An abort that has to succeed."""
        self.require_ok(self.call_abort(lease_id, touched), "abort")

    def last_error(self) -> str:
        """What the library says of the last failed call on this thread."""
        text = ffi.new("char[]", 1024)
        self.table.last_error(self.handle, text, 1024)
        return printable(ffi.string(text, 1024))

    def require_ok(self, result: int, call: str) -> None:
        """A finding with the library's own sentence unless the call succeeded."""
        require(
            result != Result.EMPTY,
            f"{call}: the pool has no content left; give the library a larger test pool",
        )
        said = self.last_error() if result != Result.OK else ""
        require_result(result, Result.OK, call, said)

    def counts(self) -> tuple[int, int, int, int] | None:
        """Free, leased, consumed and quarantined, when the library has kf.pool/1."""
        found = self.table.get_interface(b"kf.pool/1")
        if found == ffi.NULL:
            return None
        counts = struct("kf_pool_counts_v1")
        result = ffi.cast("const kf_pool_v1 *", found).count(self.handle, counts)
        self.require_ok(result, "kf.pool/1 count")
        return counts.free, counts.leased, counts.consumed, counts.quarantined

    def close(self) -> None:
        """End the context; its leases stay."""
        self.table.close(self.handle)


class Subject:
    """A loaded library whose entry has not been called yet.

    Attributes:
        leased: every content that a lease of its sessions has brought.
    """

    def __init__(self, entry: Any) -> None:
        self.leased: list[Content] = []
        self._entry = entry

    @classmethod
    def load(cls, path: str) -> Self:
        """Load it as the station does.

        Raises:
            Finding: it cannot be loaded, or does not export the one symbol.
        """
        try:
            handle = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL)
            address = ctypes.cast(handle.kf_provider_entry, ctypes.c_void_p).value
        except OSError as error:
            raise Finding(f"it cannot be loaded: {error}") from error
        except AttributeError as error:
            raise Finding("it does not export kf_provider_entry") from error
        return cls(ffi.cast("kf_provider_entry_fn", address))

    def enter(self, host_abi: int, host: Any, provider: Any) -> int:
        """The entry itself."""
        result: int = self._entry(host_abi, host, provider)
        return result

    def table(self) -> Any:
        """The table, as a host gets it that does everything right."""
        provider = ffi.new("const kf_provider_v1 **")
        host = struct("kf_host_v1", name=b"kfasync")
        require_result(self.enter(ABI, host, provider), Result.OK, "kf_provider_entry")
        require(provider[0] != ffi.NULL, "kf_provider_entry succeeds and gives no table")
        return provider[0]

    def open(self, config: bytes) -> Session:
        """A context, opened as it has to be."""
        table = self.table()
        made = ffi.new("kf_provider_ctx **")
        text = ffi.new("char[]", config)
        result = table.open(text, len(config), PATIENCE_MS, made)
        Session(table, ffi.NULL).require_ok(result, "open")
        require(made[0] != ffi.NULL, "open succeeds and gives no context")
        return Session(table, made[0], self.leased)
