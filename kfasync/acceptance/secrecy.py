"""Checks of where secrets go: into the host's buffer, and nowhere else.

:func:`secrets_released` looks for them in all of the process's memory, and so may not leave
any there itself. It never makes bytes of a secret: one copy, memory to memory, goes into a
page of needles that the search leaves out.
"""

import base64
import ctypes
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kfasync.acceptance.check import check
from kfasync.acceptance.observed import DEK, ENC, IRK, ITEM, MAC, SCALAR, parts
from kfasync.acceptance.pages import Walled
from kfasync.acceptance.subject import (
    NONE,
    PASS,
    SECRETS_CAPACITY,
    UNKNOWN,
    Content,
    Form,
    Session,
    require,
    unit_struct,
)
from kfasync.acceptance.trial import Trial
from kfasync.model import Unit
from kfasync.sources.provider.abi import ffi

_NAMES = {
    ENC: "Key-ENC",
    MAC: "Key-MAC",
    DEK: "Key-DEK",
    SCALAR: "the scalar",
    IRK: "the IRK",
    ITEM: "a secret item",
}
_PIECE = 8  # of a secret: shorter ones stand anywhere by chance
_CHUNK = 1024 * 1024


def secrets_only_in_their_buffer(trial: Trial) -> None:
    """Neither the items nor a field of the lease nor a sentence holds a piece of a secret."""
    session = trial.open()
    unit = trial.unit()
    form = Form()
    session.require_ok(session.call_lease(unit_struct(unit), form), "lease")
    lease = form.content()
    # With the bytes behind each NUL, which a copied structure carries along.
    elsewhere = {"the items": lease.items, "kf_lease_v1": bytes(ffi.buffer(form.struct))}
    for part in parts(lease.secrets, 1, 2):
        secret = lease.secrets[part.start : part.end]
        for piece in _pieces(secret, _PIECE):
            for where, data in elsewhere.items():
                found = piece in data
                require(not found, f"a piece of {_NAMES[part.tag]} stands in {where}")
    for call, said in _sentences(session, unit, lease):
        for part in parts(lease.secrets, 1, 2):
            start = part.start + 2 * (part.tag == ITEM)
            found = is_told(lease.secrets[start : part.end], said)
            require(not found, f"a piece of {_NAMES[part.tag]} stands in last_error after {call}")
    session.abort(lease.lease_id, NONE)
    session.close()


def _sentences(session: Session, unit: Unit, lease: Content) -> Iterator[tuple[str, bytes]]:
    """What a library says of calls that fail while it has this lease."""

    def said(call: str) -> tuple[str, bytes]:
        text = ffi.new("char[]", 4096)
        session.table.last_error(session.handle, text, 4096)
        return call, ffi.string(text, 4096)

    session.call_lease(unit_struct(unit), Form(0, 0))
    yield said("a lease without buffers")
    session.call_lease(unit_struct(unit), Form(len(lease.items), len(lease.secrets) - 1))
    yield said("a lease whose secrets have no room")
    session.call_abort(lease.lease_id + b"~", UNKNOWN)
    yield said("an abort of another lease")
    session.call_commit(lease.lease_id + b"~", PASS)
    yield said("a commit of another lease")


def is_told(secret: bytes, said: bytes) -> bool:
    """Whether a piece of a secret stands in a sentence, as it is, in hex or in base64."""
    plain = b"".join(said.split())
    small = plain.lower()
    for piece in _pieces(secret, _PIECE):
        if piece in said or piece.hex().encode() in small:
            return True
    # A piece lies in base64 in one of three ways; what its neighbours decide is left out.
    return any(
        base64.b64encode(bytes(shift) + piece)[4 if shift else 0 : -4] in plain
        for piece in _pieces(secret, _PIECE + 4)
        for shift in range(3)
    )


def _pieces(secret: bytes, size: int) -> Iterator[bytes]:
    return (secret[at : at + size] for at in range(len(secret) - size + 1))


class _Needle(NamedTuple):
    tag: int
    address: int
    size: int


class _Search:
    """Looks for secrets in the memory of this process."""

    def __init__(self, library: str) -> None:
        self._library = library
        self._needles = Walled(mmap.PAGESIZE)
        self._chunk = mmap.mmap(-1, _CHUNK)
        self._chunk_address = ctypes.addressof(ctypes.c_char.from_buffer(self._chunk))
        self._memmem = ctypes.CDLL(None).memmem
        self._memmem.restype = ctypes.c_void_p
        self._used = 0

    def take(self, secrets: memoryview) -> list[_Needle]:
        """Move the secrets of a key block to where the search does not look."""
        taken = []
        for part in parts(secrets, 1, 2):
            start = part.start + 2 * (part.tag == ITEM)  # its DGI is no secret
            size, at = part.end - start, self._used
            self._needles.bytes[at : at + size] = secrets[start : part.end]
            taken.append(_Needle(part.tag, self._needles.address + at, size))
            self._used += size
        secrets[:] = bytes(len(secrets))
        return taken

    def find(self, needles: list[_Needle]) -> str:
        """Where the first of the needles that is found lies, or nothing."""
        longest = max(needle.size for needle in needles)
        with Path("/proc/self/mem").open("rb", buffering=0) as memory:
            for start, end, where in self._regions():
                for at in range(start, end, _CHUNK - longest):
                    size = self._read(memory.fileno(), at, min(end - at, _CHUNK))
                    for needle in needles:
                        if self._is_in_chunk(size, needle):
                            return f"{_NAMES[needle.tag]} is left in {where}"
        return ""

    def _is_in_chunk(self, size: int, needle: _Needle) -> bool:
        found = self._memmem(
            ctypes.c_void_p(self._chunk_address),
            ctypes.c_size_t(size),
            ctypes.c_void_p(needle.address),
            ctypes.c_size_t(needle.size),
        )
        return found is not None

    def _read(self, descriptor: int, address: int, size: int) -> int:
        try:
            return os.preadv(descriptor, [memoryview(self._chunk)[:size]], address)
        except OSError:
            return 0  # the kernel's own pages, or a file that has become shorter

    def _regions(self) -> Iterator[tuple[int, int, str]]:
        """All memory that something can have been written to, and all of the library's own.

        Without the two places that this object uses itself.
        """
        own = (self._chunk_address, self._needles.address)
        for line in Path("/proc/self/maps").read_text("utf-8").splitlines():
            span, access, _, _, _, *path = line.split(maxsplit=5)
            start, end = (int(number, 16) for number in span.split("-"))
            for left_out in sorted(own):
                if start <= left_out < end:
                    yield start, left_out, "memory"
                    start = left_out + (_CHUNK if left_out == own[0] else mmap.PAGESIZE)
            where = path[0] if path else "memory of no name"
            # A file that is mapped to be read holds what it held; only the library's matters.
            if "r" in access and ("w" in access or not path or where == self._library):
                yield start, end, where


def secrets_released(trial: Trial) -> None:
    """After an end, nothing of a fob's secrets is left in the process; after close, of the keys."""
    session = trial.open()
    search = _Search(trial.job.library)
    room = mmap.mmap(-1, SECRETS_CAPACITY)
    # The first call of a C function leaves registers on the stack while it is looked up. They
    # are to hold zeros and made-up bytes then.
    room[:19] = bytes((IRK, 0, 16)) + trial.randbytes(16)
    search.find(search.take(memoryview(room)[:19]))
    kept: list[_Needle] = []
    for end in (PASS, NONE):
        needles = _leased(session, trial.unit(), search, room, ends_with=end)
        found = search.find([needle for needle in needles if needle.tag not in (ENC, MAC, DEK)])
        how = "commit" if end == PASS else "abort"
        require(not found, f"after {how}, {found}")
        kept += needles
    session.close()
    found = search.find(kept)
    require(not found, f"after close, {found}")


def _leased(
    session: Session, unit: Unit, search: _Search, room: mmap.mmap, *, ends_with: int
) -> list[_Needle]:
    """Lease and end it; the secrets are nowhere then but among the needles."""
    form = Form(secrets=0)
    form.struct.secrets = ffi.from_buffer("uint8_t[]", room)
    form.struct.secrets_capacity = len(room)
    session.require_ok(session.call_lease(unit_struct(unit), form), "lease")
    size = form.struct.secrets_size
    require(size <= len(room), "lease succeeds with sizes that are larger than the buffers")
    needles = search.take(memoryview(room)[:size])
    require(needles, "a lease holds no secrets")
    lease_id = ffi.string(form.struct.lease_id, 64)
    # What stands in the structure itself is the affair of secrets-only-in-their-buffer.
    ffi.buffer(form.struct)[:] = bytes(ffi.sizeof("kf_lease_v1"))
    if ends_with == PASS:
        session.commit(lease_id, PASS)
    else:
        session.abort(lease_id, ends_with)
    return needles


CHECKS = (
    check(
        "secrets-only-in-their-buffer",
        "only the secrets buffer is locked and wiped",
        secrets_only_in_their_buffer,
        contents=1,
    ),
    check(
        "secrets-released",
        "what stays in memory is in the next core dump",
        secrets_released,
        contents=2,
    ),
)
