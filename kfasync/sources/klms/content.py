"""What a lease answer has brought, read and checked before a card hears anything of it."""

import re
from typing import Any

import msgspec

from kfasync.contracts.crypto import CryptoPath
from kfasync.contracts.klms import SUITE, LeaseAnswer, canonical, info
from kfasync.contracts.klms_problems import Problem
from kfasync.core.dgi import Dgi
from kfasync.errors import KeyBlockError, KeyCheckError
from kfasync.model import Content, Item, KeyCheckValues, KeySet
from kfasync.secret import Secret
from kfasync.sources.device import require_device_certificate
from kfasync.sources.fingerprint import public_point
from kfasync.sources.keyblock import SECRET, KeyBlock, read_key_block
from kfasync.sources.klms.refusal import refusal
from kfasync.sources.klms.seal import RecipientKey

# A place in an answer, as msgspec names it; anything else in its sentences may quote the answer.
_PLACE = re.compile(r"at `(\$[a-z_.\[\]0-9]*)`$")
_LEASE_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


class Offer(msgspec.Struct, frozen=True):
    """A lease answer that follows the schema and is for the unit; its seal is still closed."""

    answer: LeaseAnswer
    plain: bytes  # as :func:`kfasync.contracts.klms.canonical` gives it


class Opened(msgspec.Struct, frozen=True):
    """Content and keys of one unit, as the station's own; ``point`` is the scalar's."""

    content: Content
    keys: KeySet
    items: tuple[Item, ...]
    secrets: tuple[Secret, ...]
    point: bytes


def lease_id_of(body: bytes) -> str | None:
    """The lease that an answer speaks of, be the rest of it what it may; None for none."""
    try:
        name = msgspec.json.decode(body)["lease_id"]
    except (msgspec.MsgspecError, ValueError, RecursionError, LookupError, TypeError):
        return None
    return name if isinstance(name, str) and _LEASE_ID.fullmatch(name) else None


def read_offer(url: str, body: bytes, uid: bytes) -> Offer:
    """Read the answer to a lease request.

    Args:
        url: of the key server, for the sentence of a refusal.

    Raises:
        KlmsError: it does not follow the schema, or is for another unit.
    """
    try:
        # Read once: what the seal covers and what is used come from the same object.
        table: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        answer = msgspec.convert(table, LeaseAnswer)
        plain = canonical(table)
    except (msgspec.MsgspecError, ValueError, RecursionError, TypeError) as error:
        place = _PLACE.search(str(error))
        detail = f"{place[1]} is not as the schema has it" if place else ""
        raise refusal(url, Problem.ANSWER_MALFORMED, detail) from None
    if bytes.fromhex(answer.uid) != uid:
        raise refusal(url, Problem.LEASE_FOR_ANOTHER_UNIT)
    return Offer(answer, plain)


def open_offer(
    url: str, offer: Offer, recipient: RecipientKey, uid: bytes, station: str, path: CryptoPath
) -> Opened:
    """Open the seal into the vault of the crypto path, and check everything.

    Raises:
        KlmsError: it is not sealed for this request, or is not the whole content of one fob.
    """
    answer = offer.answer
    facts = answer.container
    plain = tuple(Item(int(one.dgi, 16), one.data) for one in facts.items)
    dgis = [item.dgi for item in plain]
    for dgi in dgis:
        if dgi in SECRET:
            raise refusal(url, Problem.ANSWER_MALFORMED, f"DGI {dgi:04X} in the clear")
        if dgis.count(dgi) > 1:
            raise refusal(url, Problem.ANSWER_MALFORMED, f"DGI {dgi:04X} twice")
    if any(item.value != facts.spid.encode("ascii") for item in plain if item.dgi == Dgi.SPID):
        raise refusal(url, Problem.ANSWER_MALFORMED, "another SPID in DGI A001")
    sealed = answer.sealed
    if sealed.suite != SUITE:
        raise refusal(url, Problem.SEAL_BROKEN, "the suite is another one than was asked for")
    bound = info(answer.lease_id, uid, station, offer.plain)
    try:
        secret = recipient.open(sealed, bound, path.vault)
    except ValueError as error:
        raise refusal(url, Problem.SEAL_BROKEN) from error
    try:
        block = read_key_block(secret.expose(), plain, path.vault)
    except KeyBlockError as error:
        raise refusal(url, Problem.KEY_BLOCK_MALFORMED, str(error)) from error
    finally:
        secret.wipe()
    try:
        return _checked(url, answer, block, plain, path)
    except BaseException:
        for one in block.secrets:
            one.wipe()
        raise


def _checked(
    url: str, answer: LeaseAnswer, block: KeyBlock, plain: tuple[Item, ...], path: CryptoPath
) -> Opened:
    facts, given = answer.container, answer.keyset.kcv
    kcv = KeyCheckValues(*(bytes.fromhex(one) for one in (given.enc, given.mac, given.dek)))
    keys = KeySet(answer.keyset.kvn, block.enc, block.mac, block.dek, kcv)
    try:
        path.load(keys).wipe()
    except KeyCheckError as error:
        raise refusal(url, Problem.KEY_BLOCK_MALFORMED, str(error)) from error
    (certificate,) = (
        item.value
        for item in plain
        if item.dgi == Dgi.DEVICE_CERTIFICATE and isinstance(item.value, bytes)
    )
    try:
        point = public_point(block.scalar, path.vault)
    except ValueError as error:
        raise refusal(
            url, Problem.KEY_BLOCK_MALFORMED, f"{facts.fesn} has a scalar that is none of P-256"
        ) from error
    try:
        require_device_certificate(certificate, facts.fesn, point)
    except ValueError as error:
        raise refusal(
            url, Problem.KEY_BLOCK_MALFORMED, f"{facts.fesn} comes with {error}"
        ) from error
    return Opened(
        content=Content(facts.fesn, facts.spid),
        keys=keys,
        items=block.items(plain),
        secrets=block.secrets,
        point=point,
    )
