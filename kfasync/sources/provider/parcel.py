"""What a lease has brought, read and checked: nothing in it is believed.

    items:      DGI(2) length(4) value ...        what is not secret
    key block:  tag(1) length(2) value ...        static keys, scalar, IRK, further secrets

The key block is walked by its lengths. A secret goes in one copy from the shared memory into
the memory of the vault; on the way it is a slice of a view and at no time bytes.
"""

import enum
import re

import msgspec

from kfasync.contracts.crypto import Vault
from kfasync.core.dgi import Dgi
from kfasync.model import Content, Item, KeyCheckValues, KeySet
from kfasync.secret import Secret
from kfasync.sources.provider.abi import ISSUER_CHECKED, breach
from kfasync.sources.provider.memory import Region, Seat

KCV_SIZE = 3
KEY_SIZES = (16, 24, 32)
# What the profile of the applet cannot do without; a library may bring more.
NEEDED: frozenset[int] = frozenset(Dgi)
SECRET: frozenset[int] = frozenset((Dgi.PRIVATE_KEY, Dgi.IRK))


class Tag(enum.IntEnum):
    """Tags of the key block."""

    KEY_ENC = 0x01
    KEY_MAC = 0x02
    KEY_DEK = 0x03
    SCALAR = 0x10
    IRK = 0x11
    ITEM = 0x20


_SIZES = {
    Tag.KEY_ENC: KEY_SIZES,
    Tag.KEY_MAC: KEY_SIZES,
    Tag.KEY_DEK: KEY_SIZES,
    Tag.SCALAR: (32,),
    Tag.IRK: (16,),
}


class Slip(msgspec.Struct, frozen=True):
    """What stands in ``kf_lease_v1`` when a lease was granted; nothing of it is secret."""

    lease_id: str
    fesn: str
    spid: str
    items_capacity: int
    items_size: int
    secrets_capacity: int
    secrets_size: int
    ttl_ms: int
    flags: int
    kvn: int
    kcv: bytes


class Parcel(msgspec.Struct, frozen=True):
    """Content and keys of one unit, as the station's own."""

    content: Content
    keys: KeySet
    items: tuple[Item, ...]
    issuer_checked: bool

    def wipe(self) -> None:
        """Overwrite every secret in it."""
        for secret in (self.keys.enc, self.keys.mac, self.keys.dek):
            secret.wipe()
        for item in self.items:
            if isinstance(item.value, Secret):
                item.value.wipe()


class _Part(msgspec.Struct, frozen=True):
    """Where in the key block a value lies."""

    tag: int
    start: int
    end: int


def unpack(name: str, slip: Slip, seat: Seat, vault: Vault) -> Parcel:
    """Check everything and take the secrets over into the vault; the seat is not wiped.

    Args:
        name: of the library, for the sentence of a refusal.

    Raises:
        ProviderError: it is not what the interface says, or not enough for a fob.
    """
    content = _content(name, slip)
    items = _used(name, seat.items, slip.items_capacity, slip.items_size)
    secrets = _used(name, seat.secrets, slip.secrets_capacity, slip.secrets_size)
    plain = _items(name, items)
    parts = _parts(name, secrets)
    _require_whole(name, slip, plain, parts, secrets)
    taken = [_take(secrets, part, vault) for part in parts]
    of = {part.tag: secret for part, secret in zip(parts, taken, strict=True)}
    further = [
        Item(_dgi(secrets, part), secret)
        for part, secret in zip(parts, taken, strict=True)
        if part.tag == Tag.ITEM
    ]
    kcv = (slip.kcv[at : at + KCV_SIZE] for at in range(0, 3 * KCV_SIZE, KCV_SIZE))
    return Parcel(
        content=content,
        keys=KeySet(
            slip.kvn, of[Tag.KEY_ENC], of[Tag.KEY_MAC], of[Tag.KEY_DEK], KeyCheckValues(*kcv)
        ),
        items=(
            Item(Dgi.PRIVATE_KEY, of[Tag.SCALAR], under_dek=True),
            *plain,
            Item(Dgi.IRK, of[Tag.IRK]),
            *further,
        ),
        issuer_checked=bool(slip.flags & ISSUER_CHECKED),
    )


def _content(name: str, slip: Slip) -> Content:
    if not re.fullmatch("[0-9A-Za-z]{8}", slip.fesn):
        raise breach(name, "leased a FESN that is not 8 letters and digits")
    if not re.fullmatch("[0-9A-Fa-f]{40}", slip.spid):
        raise breach(name, f"leased {slip.fesn} with an SPID that is not 40 hex digits")
    if not slip.lease_id or not slip.lease_id.isprintable():
        raise breach(name, f"leased {slip.fesn} without a lease id that can be printed")
    if not 0 <= slip.kvn <= 0xFF:
        raise breach(name, f"leased {slip.fesn} with key version {slip.kvn}, which is not a byte")
    if len(slip.kcv) != 3 * KCV_SIZE:
        raise breach(name, f"leased {slip.fesn} without three key check values")
    return Content(slip.fesn, slip.spid)


def _used(name: str, region: Region, capacity: int, size: int) -> memoryview:
    """The part of a buffer that was written; the worker is believed no more than the library."""
    if not 0 <= size <= capacity <= region.size:
        raise breach(name, "says that it wrote more than there was room for")
    return region.tail(capacity)[:size]


def _items(name: str, data: memoryview) -> list[Item]:
    items: list[Item] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at + 2 : at + 6], "big")
        start = at + 6
        # A header cut short has a start beyond the end; its size may be anything.
        if start + size > len(data):
            raise breach(name, f"leased items of which number {len(items) + 1} is cut short")
        dgi = int.from_bytes(data[at : at + 2], "big")
        items.append(Item(dgi, bytes(data[start : start + size])))
        at = start + size
    return items


def _parts(name: str, data: memoryview) -> list[_Part]:
    parts: list[_Part] = []
    at = 0
    while at < len(data):
        start = at + 3
        end = start + int.from_bytes(data[at + 1 : at + 3], "big")
        if end > len(data):
            raise breach(name, f"leased a key block of which part {len(parts) + 1} is cut short")
        parts.append(_Part(data[at], start, end))
        at = end
    return parts


def _require_whole(
    name: str, slip: Slip, items: list[Item], parts: list[_Part], secrets: memoryview
) -> None:
    """Each part is what its tag says, none is missing, and no DGI comes twice."""
    for part in parts:
        size = part.end - part.start
        if part.tag not in Tag.__members__.values():
            raise breach(name, f"leased a key block with an unknown tag {part.tag:02X}")
        if part.tag == Tag.ITEM:
            if size <= 2:
                raise breach(name, "leased a secret item without a DGI or without a value")
        elif size not in _SIZES[Tag(part.tag)]:
            raise breach(name, f"leased a key block whose tag {part.tag:02X} has {size} bytes")
    tags = [part.tag for part in parts if part.tag != Tag.ITEM]
    for tag in _SIZES:
        if tags.count(tag) != 1:
            raise breach(name, f"leased a key block with tag {tag:02X} {tags.count(tag)} times")
    plain = [item.dgi for item in items]
    hidden = [_dgi(secrets, part) for part in parts if part.tag == Tag.ITEM]
    for dgi in SECRET.intersection(plain):
        raise breach(name, f"leased DGI {dgi:04X} in the clear; it belongs into the key block")
    every: list[int] = [*plain, *SECRET, *hidden]
    for dgi in every:
        if every.count(dgi) > 1:
            raise breach(name, f"leased DGI {dgi:04X} twice for {slip.fesn}")
    for dgi in sorted(NEEDED - set(every)):
        raise breach(name, f"leased {slip.fesn} without DGI {dgi:04X}, which a fob needs")
    if next(item.value for item in items if item.dgi == Dgi.SPID) != slip.spid.encode("ascii"):
        raise breach(name, f"leased {slip.fesn} with another SPID in DGI {Dgi.SPID:04X}")


def _dgi(data: memoryview, part: _Part) -> int:
    return int.from_bytes(data[part.start : part.start + 2], "big")


def _take(data: memoryview, part: _Part, vault: Vault) -> Secret:
    start = part.start + 2 if part.tag == Tag.ITEM else part.start
    secret = vault.secret(part.end - start)
    secret.writable()[:] = data[start : part.end]
    return secret
