"""A vendor's library in this process: loaded, asked, and not believed.

A library runs here when the station was told so (``in_process``), and in the worker process,
which exists for nothing else. It is called through a :class:`Context`, one call at a time; the
results come back as plain values or as an error, and a library that breaks the rules of the
interface in a way that can be seen from here is an error as well.
"""

import ctypes
import hashlib
import os
from pathlib import Path
from typing import Any, Self

import msgspec

from kfasync.errors import ProviderError
from kfasync.sources.provider.abi import (
    ABI,
    STRUCT_VERSION,
    TEXT_MAX,
    AbortPolicy,
    Result,
    Threading,
    begin,
    breach,
    decode,
    ffi,
    refusal,
)
from kfasync.sources.provider.context import Context

ENTRY = "kf_provider_entry"
HOST_NAME = b"kfasync"
POOL = b"kf.pool/1"  # KFP_POOL; cffi knows the header's numbers only

_CALLS = ("open", "lease", "commit", "abort", "cancel", "close", "last_error", "get_interface")


class LibraryFacts(msgspec.Struct, frozen=True):
    """What a library says of itself, and the hash of its file."""

    name: str
    version: str
    sha256: str
    threading: Threading
    abort_policy: AbortPolicy
    counts: bool  # it has kf.pool/1


class Library:
    """A loaded library; it stays in the process until that ends."""

    def __init__(self, table: Any, facts: LibraryFacts, pool: Any) -> None:
        self._table = table
        self._pool = pool
        self.facts = facts

    @classmethod
    def load(cls, path: Path, sha256: str) -> Self:
        """Load the library if it is the one that is meant, and agree on the interface.

        Args:
            sha256: of the file, 64 hex digits.

        Raises:
            ProviderError: it is another file, no such library, or speaks another interface.
        """
        found = digest(path)
        if found != sha256.lower():
            raise ProviderError(
                None,
                f"provider {path} is not the file that was approved: its SHA-256 is {found}; "
                "put the approved one there, or pin this one after it has passed its check",
            )
        try:
            # Never unloaded: its threads may still run.
            handle = ctypes.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
            address = ctypes.cast(getattr(handle, ENTRY), ctypes.c_void_p).value
        except OSError as error:
            raise ProviderError(None, f"provider {path} cannot be loaded: {error}") from error
        except AttributeError as error:
            raise ProviderError(None, f"provider {path} does not export {ENTRY}") from error
        table = _negotiate(str(path), ffi.cast("kf_provider_entry_fn", address))
        pool = _pool(str(path), table)
        return cls(table, _facts(str(path), table, found, pool), pool)

    def open(self, config: bytes, deadline_ms: int) -> Context:
        """A context with this configuration, JSON in UTF-8.

        Raises:
            SourceError: the library refuses.
        """
        made = ffi.new("kf_provider_ctx **")
        text = ffi.new("char[]", config)
        result = self._table.open(text, len(config), deadline_ms, made)
        if result != Result.OK:
            # After a failed open there is no context, and last_error takes NULL.
            Context(self.facts.name, self._table, self._pool, ffi.NULL).require_ok(result)
        context = Context(self.facts.name, self._table, self._pool, made[0])
        if made[0] == ffi.NULL:
            raise breach(self.facts.name, "opened without giving a context")
        return context


def digest(path: Path) -> str:
    """SHA-256 of a library's file, in hex.

    What is at that path now is not yet what is loaded a moment later. Who can change it in
    between can also change kfasync: only an administrator may write to either.

    Raises:
        ProviderError: its path is relative, or it cannot be read.
    """
    if not path.is_absolute():
        # A relative one would be searched for, and what is found is somebody else's choice.
        raise ProviderError(None, f"provider {path} is not an absolute path")
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ProviderError(
            None, f"provider {path} cannot be read ({error.strerror}); check the path"
        ) from error


# ------------------------------------------------------------------ the table


def _negotiate(path: str, entry: Any) -> Any:
    """The table of the library, of which everything is there."""
    host = ffi.new("kf_host_v1 *", {**begin("kf_host_v1"), "name": HOST_NAME})
    given = ffi.new("kf_provider_v1 **")
    result = entry(ABI, host, given)
    if result < 0:
        raise refusal(path, result)
    if result > 0 or given[0] == ffi.NULL:
        raise breach(path, "accepted the interface without giving its table")
    table = given[0]
    if table.struct_size < ffi.sizeof("kf_provider_v1") or table.struct_version < STRUCT_VERSION:
        raise breach(path, f"gave a table of {table.struct_size} bytes, too small for version 1")
    for name in _CALLS:
        if getattr(table, name) == ffi.NULL:
            raise breach(path, f"gave a table without {name}")
    return table


def _pool(path: str, table: Any) -> Any:
    """The optional ability to count content; None where the library does not have it."""
    found = table.get_interface(POOL)
    if found == ffi.NULL:
        return None
    pool = ffi.cast("const kf_pool_v1 *", found)
    if pool.struct_size < ffi.sizeof("kf_pool_v1") or pool.count == ffi.NULL:
        raise breach(path, "has kf.pool/1 with a table that is too small or empty")
    return pool


def _facts(path: str, table: Any, sha256: str, pool: Any) -> LibraryFacts:
    texts = []
    for field in ("name", "version"):
        address = getattr(table, field)
        if address == ffi.NULL:
            raise breach(path, f"gave a table without {field}")
        # By the interface it ends with NUL; one that does not faults here or gives no UTF-8.
        text = ffi.string(address, TEXT_MAX)
        texts.append(decode(path, text, f"a {field} in its table"))
    try:
        threading = Threading(table.threading)
        abort_policy = AbortPolicy(table.abort_policy)
    except ValueError as error:
        raise breach(path, f"gave a table in which {error}") from None
    return LibraryFacts(texts[0], texts[1], sha256, threading, abort_policy, pool is not None)
