"""Data groupings and the STORE DATA commands that carry them.

Encoding: GP Card Specification 2.3.1, 11.11.3 with the lengths of EMV CPS 1.1, 2.2.
"""

import enum
from collections.abc import Callable, Sequence

from kfasync.core.apdu import CommandApdu
from kfasync.errors import SourceError
from kfasync.model import Item, StoreDataPlan
from kfasync.secret import Secret

CLA = 0x80
INS_STORE_DATA = 0xE2
VALUE_MAX = 65535
LONG_LENGTH = 0xFF  # in the place of a length: two more bytes hold it
BLOCKS_MAX = 256  # P2 is one byte and must never wrap: the card takes 00 for a new start
AES_BLOCK = 16


class Dgi(enum.IntEnum):
    """What the key fob applet is personalized with."""

    SPID = 0xA001  # 40 hex digits as ASCII text
    DEVICE_CERTIFICATE = 0xA002  # the fob's own, DER
    PRIVATE_KEY = 0xA003  # P-256 scalar, 32 bytes; goes under the DEK
    ICA = 0xA004  # intermediate CA's certificate, DER; the same on every fob
    CMS_ROOT = 0xA005  # issuing CA's certificate, DER; the same on every fob
    IRK = 0xA006  # identity resolving key of BLE, 16 bytes


def encode(tag: int, value: bytes) -> bytes:
    """Tag(2) || length || value; a length of 255 and more is FF and two bytes."""
    return _header(tag, len(value)) + value


def pad(value: bytes) -> bytes:
    """ISO/IEC 9797-1 padding method 2 to a whole number of AES blocks."""
    return value + b"\x80" + bytes(-(len(value) + 1) % AES_BLOCK)


def block_count(items: Sequence[Item], plan: StoreDataPlan) -> int:
    """How many STORE DATA commands these items take, the empty last one included.

    Looks at lengths only, so that content which cannot be written is refused before the
    first command goes to a card.

    Raises:
        SourceError: nothing to write, a DGI given twice or out of range, or too many blocks.
    """
    if not items:
        raise SourceError("there is nothing to write: the list of DGIs is empty")
    seen: set[int] = set()
    blocks = 1
    for item in items:
        if item.dgi in seen:
            raise SourceError(f"DGI {item.dgi:04X} is given twice")
        seen.add(item.dgi)
        size = len(item.value)
        if item.under_dek:
            size += AES_BLOCK - size % AES_BLOCK
        blocks += -(-(len(_header(item.dgi, size)) + size) // plan.block_size)
    if blocks > BLOCKS_MAX:
        raise SourceError(
            f"the content takes {blocks} STORE DATA commands, {BLOCKS_MAX} is the most that "
            f"P2 can count; make block_size larger than {plan.block_size}"
        )
    return blocks


def store_data(
    items: Sequence[Item], plan: StoreDataPlan, encrypt: Callable[[bytes], bytes]
) -> list[CommandApdu]:
    """The plain STORE DATA commands of one fob; ``encrypt`` is CBC under the DEK.

    Each DGI begins a command of its own and goes on in the next ones as raw data. The last
    command is empty and moves the applet to FACTORY.

    Raises:
        SourceError: as :func:`block_count`.
    """
    block_count(items, plan)
    blocks: list[bytes] = []
    for item in items:
        value = bytes(item.value.expose()) if isinstance(item.value, Secret) else item.value
        if item.under_dek:
            value = encrypt(pad(value))
        grouping = encode(item.dgi, value)
        blocks += (
            grouping[at : at + plan.block_size] for at in range(0, len(grouping), plan.block_size)
        )
    commands = [
        CommandApdu(CLA, INS_STORE_DATA, plan.p1, p2, data=block) for p2, block in enumerate(blocks)
    ]
    return [*commands, CommandApdu(CLA, INS_STORE_DATA, plan.last_p1, len(blocks))]


def _header(tag: int, size: int) -> bytes:
    if not 0 <= tag <= 0xFFFF:
        raise SourceError(f"DGI {tag:X} is not two bytes long")
    if size > VALUE_MAX:
        raise SourceError(f"DGI {tag:04X} has {size} bytes; {VALUE_MAX} is the most")
    length = bytes((size,)) if size < LONG_LENGTH else b"\xff" + size.to_bytes(2, "big")
    return tag.to_bytes(2, "big") + length
