"""What a lease of a library has brought, read and checked: nothing in it is believed.

items:      DGI(2) length(4) value ...        what is not secret
key block:  see :mod:`kfasync.sources.keyblock`
"""

import re

import msgspec

from kfasync.contracts.crypto import Vault
from kfasync.core.dgi import Dgi
from kfasync.errors import KeyBlockError
from kfasync.model import Content, Item, KeyCheckValues, KeySet
from kfasync.secret import Secret
from kfasync.sources.keyblock import read_key_block
from kfasync.sources.provider.abi import ISSUER_CHECKED, breach
from kfasync.sources.provider.memory import Region, Seat

KCV_SIZE = 3


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


class Unpacked(msgspec.Struct, frozen=True):
    """Content and keys of one unit, as the station's own."""

    content: Content
    keys: KeySet
    items: tuple[Item, ...]
    secrets: tuple[Secret, ...]
    issuer_checked: bool


def unpack(name: str, slip: Slip, seat: Seat, vault: Vault) -> Unpacked:
    """Check everything and take the secrets over into the vault; the seat is not wiped.

    Args:
        name: of the library, for the sentence of a refusal.

    Raises:
        ProviderError: it is not what the interface says, or not enough for a fob.
    """
    content = _content(name, slip)
    plain = tuple(_items(name, _used(name, seat.items, slip.items_capacity, slip.items_size)))
    secrets = _used(name, seat.secrets, slip.secrets_capacity, slip.secrets_size)
    if any(item.value != slip.spid.encode() for item in plain if item.dgi == Dgi.SPID):
        raise breach(name, f"leased {slip.fesn} with another SPID in DGI {Dgi.SPID:04X}")
    try:
        block = read_key_block(secrets, plain, vault)
    except KeyBlockError as error:
        raise breach(name, f"leased {slip.fesn} with {error}") from error
    kcv = (slip.kcv[at : at + KCV_SIZE] for at in range(0, 3 * KCV_SIZE, KCV_SIZE))
    return Unpacked(
        content=content,
        keys=KeySet(slip.kvn, block.enc, block.mac, block.dek, KeyCheckValues(*kcv)),
        items=block.items(plain),
        secrets=block.secrets,
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
