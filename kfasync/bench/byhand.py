"""SCP03 of one fob as a script would have it: no classes, no checks, level 01 and S8 only.

The baselines run through it, each with its own AES, so that they are compared with the C core
and not with the care that :mod:`kfasync.core` takes. It is written for speed: what makes it
faster makes the ratios honest.
"""

import hmac
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from kfasync.bench.task import Task
from kfasync.core.kdf import DerivationConstant
from kfasync.errors import CryptogramError
from kfasync.secret import Secret

Mac: TypeAlias = Callable[[bytes], bytes]
Cbc: TypeAlias = Callable[[bytes, bytes], bytes]

S8 = 8
_LEVEL = 0x01
_ZEROS = bytes(16)


def _input(constant: DerivationConstant, bits: int) -> bytes:
    """Label, separator, L, counter (GP Amendment D v1.2, 4.1.5)."""
    return bytes(11) + bytes((constant, 0)) + bits.to_bytes(2, "big") + b"\x01"


_S_MAC = _input(DerivationConstant.S_MAC, 128)
_CARD_CRYPTOGRAM = _input(DerivationConstant.CARD_CRYPTOGRAM, 64)
_HOST_CRYPTOGRAM = _input(DerivationConstant.HOST_CRYPTOGRAM, 64)
_CARD_CHALLENGE = _input(DerivationConstant.CARD_CHALLENGE, 64)


class Primitives(msgspec.Struct, frozen=True):
    """What a way of computing AES brings: a keyed CMAC for any key, and CBC under the DEK."""

    mac_of: Callable[[bytes], Mac]
    cbc_of: Callable[[bytes], Cbc]


class Keyed(msgspec.Struct, frozen=True):
    """The static keys, ready for use as a slot has them."""

    enc: Mac
    mac: Mac
    dek: Cbc


def keyed(primitives: Primitives, task: Task) -> Keyed:
    """Take in the static keys."""
    enc, mac, dek = (bytes(key.expose()) for key in (task.keys.enc, task.keys.mac, task.keys.dek))
    return Keyed(primitives.mac_of(enc), primitives.mac_of(mac), primitives.cbc_of(dek))


def open_session(primitives: Primitives, keys: Keyed, task: Task) -> tuple[Mac, bytes, bytes]:
    """Derive, verify the card, make EXTERNAL AUTHENTICATE (GP Amendment D v1.2, 6.2.2).

    Like the C core it leaves out S-ENC and S-RMAC, for which level 01 has no use.

    Returns:
        S-MAC, the MAC chaining value, and the command.
    """
    opening = task.opening
    answer = opening.answer  # div(10) KVN 03 i challenge(8) cryptogram(8) counter(3)
    context = opening.host_challenge + answer[13:21]
    s_mac = primitives.mac_of(keys.mac(_S_MAC + context))
    card = s_mac(_CARD_CRYPTOGRAM + context)[:S8]
    challenge = keys.enc(_CARD_CHALLENGE + answer[29:32] + opening.aid)
    if not hmac.compare_digest(card, answer[21:29]) or not hmac.compare_digest(
        challenge[:S8], answer[13:21]
    ):
        raise CryptogramError("the fob that is measured has other keys")
    host = s_mac(_HOST_CRYPTOGRAM + context)[:S8]
    command = bytes((0x84, 0x82, _LEVEL, 0x00, 2 * S8)) + host
    chain = s_mac(_ZEROS + command)
    return s_mac, chain, command + chain[:S8]


def one_fob(primitives: Primitives, keys: Keyed, task: Task) -> list[bytes]:
    """EXTERNAL AUTHENTICATE and all STORE DATA commands of the task."""
    s_mac, chain, command = open_session(primitives, keys, task)
    commands = [command]
    plan = task.plan
    fields = blocks(keys.dek, task)
    p1 = plan.p1
    for number, field in enumerate(fields):
        plain = bytes((0x84, 0xE2, p1, number, len(field) + S8)) + field
        chain = s_mac(chain + plain)
        commands.append(plain + chain[:S8])
    plain = bytes((0x84, 0xE2, plan.last_p1, len(fields), S8))
    commands.append(plain + s_mac(chain + plain)[:S8])
    return commands


def blocks(dek: Cbc, task: Task) -> list[bytes]:
    """The data fields of all STORE DATA commands but the last (GP Card Spec 2.3.1, 11.11)."""
    size = task.plan.block_size
    fields: list[bytes] = []
    for item in task.items:
        value = item.value
        if isinstance(value, Secret):
            value = bytes(value.expose())
        if item.under_dek:
            value = dek(_ZEROS, value + b"\x80" + bytes(-(len(value) + 1) % 16))
        length = len(value)
        header = bytes((length,)) if length < 0xFF else b"\xff" + length.to_bytes(2, "big")
        grouping = item.dgi.to_bytes(2, "big") + header + value
        if len(grouping) <= size:
            fields.append(grouping)
        else:
            fields += [grouping[at : at + size] for at in range(0, len(grouping), size)]
    return fields
