"""The key block of a fob: everything secret, as a vendor's library and a key server hand it out.

    tag(1) length(2) value ...        static keys, scalar, IRK, further secret items

It is walked by its lengths. A secret goes in one copy from the block into the memory of the vault;
on the way it is a slice of a view and at no time bytes.
"""

import msgspec

from kfasync.contracts.crypto import Vault
from kfasync.contracts.klms import KeyBlockTag
from kfasync.core.dgi import Dgi
from kfasync.errors import KeyBlockError
from kfasync.model import Item
from kfasync.secret import Secret

KEY_SIZES = (16, 24, 32)
SCALAR_SIZE, IRK_SIZE = 32, 16
# The items that come in the block under tags of their own.
SECRET: frozenset[int] = frozenset((Dgi.PRIVATE_KEY, Dgi.IRK))

_SIZES = {
    KeyBlockTag.ENC: KEY_SIZES,
    KeyBlockTag.MAC: KEY_SIZES,
    KeyBlockTag.DEK: KEY_SIZES,
    KeyBlockTag.SCALAR: (SCALAR_SIZE,),
    KeyBlockTag.IRK: (IRK_SIZE,),
}


class KeyBlock(msgspec.Struct, frozen=True):
    """What a key block held, in the vault."""

    enc: Secret
    mac: Secret
    dek: Secret
    scalar: Secret
    irk: Secret
    further: tuple[Item, ...]

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every secret in it."""
        items = (item.value for item in self.further if isinstance(item.value, Secret))
        return self.enc, self.mac, self.dek, self.scalar, self.irk, *items

    def items(self, plain: tuple[Item, ...]) -> tuple[Item, ...]:
        """All DGIs of the fob in the order in which they go to the card."""
        return (
            Item(Dgi.PRIVATE_KEY, self.scalar, under_dek=True),
            *plain,
            Item(Dgi.IRK, self.irk),
            *self.further,
        )


class _Part(msgspec.Struct, frozen=True):
    """Where in the block a value lies; ``dgi`` is 0 but for a further item."""

    tag: int
    dgi: int
    start: int
    end: int


def read_key_block(block: memoryview, plain: tuple[Item, ...], vault: Vault) -> KeyBlock:
    """Check a key block and take its secrets over into the vault; the block is not wiped.

    Args:
        plain: the items that came beside the block; none may come twice, and none be missing.

    Raises:
        KeyBlockError: it is not one, or does not make a whole fob together with ``plain``.
    """
    parts = _parts(block)
    _require_each_once(parts)
    _require_whole_fob([item.dgi for item in plain], [part.dgi for part in parts if part.dgi])
    of: dict[int, Secret] = {}
    further: list[Item] = []
    for part in parts:
        secret = vault.secret(part.end - part.start)
        secret.writable()[:] = block[part.start : part.end]
        if part.tag == KeyBlockTag.ITEM:
            further.append(Item(part.dgi, secret))
        else:
            of[part.tag] = secret
    return KeyBlock(
        enc=of[KeyBlockTag.ENC],
        mac=of[KeyBlockTag.MAC],
        dek=of[KeyBlockTag.DEK],
        scalar=of[KeyBlockTag.SCALAR],
        irk=of[KeyBlockTag.IRK],
        further=tuple(further),
    )


def _parts(block: memoryview) -> list[_Part]:
    parts: list[_Part] = []
    at = 0
    while at < len(block):
        start = at + 3
        end = start + int.from_bytes(block[at + 1 : at + 3], "big")
        if end > len(block):
            raise KeyBlockError(f"a key block of which part {len(parts) + 1} is cut short")
        tag, dgi = block[at], 0
        if tag == KeyBlockTag.ITEM:
            dgi = int.from_bytes(block[start : start + 2], "big")
            start += 2
            if start >= end or not dgi:
                raise KeyBlockError("a secret item without a DGI or without a value")
        elif tag not in _SIZES:
            raise KeyBlockError(f"a key block with an unknown tag {tag:02X}")
        elif end - start not in _SIZES[tag]:
            raise KeyBlockError(f"a key block whose tag {tag:02X} has {end - start} bytes")
        parts.append(_Part(tag, dgi, start, end))
        at = end
    return parts


def _require_each_once(parts: list[_Part]) -> None:
    tags = [part.tag for part in parts]
    for tag in _SIZES:
        if tags.count(tag) != 1:
            raise KeyBlockError(f"a key block with tag {tag:02X} {tags.count(tag)} times")


def _require_whole_fob(plain: list[int], hidden: list[int]) -> None:
    for dgi in SECRET.intersection(plain):
        raise KeyBlockError(f"DGI {dgi:04X} in the clear; it belongs in the key block")
    every: list[int] = [*plain, *SECRET, *hidden]
    for dgi in every:
        if every.count(dgi) > 1:
            raise KeyBlockError(f"DGI {dgi:04X} twice")
    for dgi in sorted(frozenset[int](Dgi) - set(every)):
        raise KeyBlockError(f"no DGI {dgi:04X}, which a fob needs")
