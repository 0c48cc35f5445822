"""What is known of a content that was leased: whether it fits together, and what it is.

Content is what it is, not what it is called: two of them with other serial numbers are the
same when they share the device's key, the SPID or the IRK. No secret is told, only digests.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kfasync.acceptance.subject import Content, Finding, require
from kfasync.core.dgi import Dgi
from kfasync.sources.device import require_device_certificate

ENC, MAC, DEK, SCALAR, IRK, ITEM = 0x01, 0x02, 0x03, 0x10, 0x11, 0x20
_KEYS = (ENC, MAC, DEK)
_NEEDED = (Dgi.SPID, Dgi.DEVICE_CERTIFICATE, Dgi.ICA, Dgi.CMS_ROOT)
# The order of the group, which a scalar is below (SEC 2, 2.4.2).
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Part(NamedTuple):
    """One value of the items or of the key block, and where it lies."""

    tag: int
    start: int
    end: int


def parts(data: bytes | memoryview, tag_size: int, length_size: int) -> Iterator[Part]:
    """Walk tag, length and value; what they hold is not copied.

    Raises:
        Finding: one of them is cut short.
    """
    at = 0
    while at < len(data):
        start = at + tag_size + length_size
        require(start <= len(data), "a tag or length is cut short")
        tag = int.from_bytes(data[at : at + tag_size], "big")
        end = start + int.from_bytes(data[at + tag_size : start], "big")
        require(end <= len(data), f"the value of {tag:0{2 * tag_size}X} is cut short")
        yield Part(tag, start, end)
        at = end


class Observed(msgspec.Struct, frozen=True):
    """One content: ``trouble`` is what is wrong with it, ``same_as`` a digest of each identity."""

    fesn: str
    trouble: str | None
    same_as: dict[str, str]


def observe(lease: Content) -> Observed:
    """Look at a content; never fails."""
    trouble = None
    try:
        require_well_formed(lease)
    except Finding as finding:
        trouble = str(finding)
    fesn = lease.fesn.decode("ascii", "backslashreplace")
    return Observed(fesn, trouble, {name: _digest(data) for name, data in _identities(lease)})


def _identities(lease: Content) -> Iterator[tuple[str, bytes]]:
    """What makes a content this one and no other; nothing of what cannot be read."""
    if re.fullmatch(b"[0-9A-Fa-f]{40}", lease.spid):
        # As its bytes: small letters do not make it another.
        yield "SPID", bytes.fromhex(lease.spid.decode("ascii"))
    try:
        secrets = {
            part.tag: lease.secrets[part.start : part.end] for part in parts(lease.secrets, 1, 2)
        }
    except Finding:
        return
    if IRK in secrets:
        yield "IRK", secrets[IRK]
    number = int.from_bytes(secrets.get(SCALAR, b""), "big")
    if 0 < number < _ORDER:
        key = ec.derive_private_key(number, ec.SECP256R1()).public_key()
        yield "device key", key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def require_well_formed(lease: Content) -> None:
    """Everything that the station and the card will make of a lease is tried here first.

    Raises:
        Finding: what is wrong with it.
    """
    require(0 < len(lease.lease_id) < 64, "lease_id is empty, or does not end with NUL")
    require(_can_be_printed(lease.lease_id), "lease_id is not UTF-8, or cannot be printed")
    require(re.fullmatch(b"[0-9A-Za-z]{8}", lease.fesn), "fesn is not 8 letters and digits")
    require(re.fullmatch(b"[0-9A-Fa-f]{40}", lease.spid), "spid is not 40 hex digits")
    require(lease.kvn <= 0xFF, "kvn is not a byte")
    _require_items(lease)
    secrets = _require_key_block(lease)
    _require_key_check_values(lease, secrets)
    _require_own_certificate(lease, secrets[SCALAR])


def _can_be_printed(text: bytes) -> bool:
    try:
        return text.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def _require_items(lease: Content) -> None:
    values = {part.tag: lease.items[part.start : part.end] for part in parts(lease.items, 2, 4)}
    tags = [part.tag for part in parts(lease.items, 2, 4)]
    require(len(tags) == len(values), "a DGI comes twice")
    for dgi in _NEEDED:
        require(values.get(dgi), f"the items lack DGI {dgi:04X}")
    for dgi in (Dgi.PRIVATE_KEY, Dgi.IRK):
        require(dgi not in values, f"DGI {dgi:04X} stands among what is not secret")
    require(values[Dgi.SPID] == lease.spid, "DGI A001 is not the SPID's digits")


def _require_key_block(lease: Content) -> dict[int, bytes]:
    found = list(parts(lease.secrets, 1, 2))
    secrets = {part.tag: lease.secrets[part.start : part.end] for part in found}
    for tag in (*_KEYS, SCALAR, IRK):
        times = sum(part.tag == tag for part in found)
        require(times == 1, f"the key block holds tag {tag:02X} {times} times")
    for tag in secrets:
        require(tag in (*_KEYS, SCALAR, IRK, ITEM), f"the key block holds an unknown tag {tag:02X}")
    hidden = [lease.secrets[p.start : p.end] for p in found if p.tag == ITEM]
    require(all(len(item) > 2 for item in hidden), "a secret item has no value")
    plain = [part.tag for part in parts(lease.items, 2, 4)]
    every = [*plain, Dgi.PRIVATE_KEY, Dgi.IRK, *(int.from_bytes(i[:2], "big") for i in hidden)]
    for dgi in every:
        require(every.count(dgi) == 1, f"DGI {dgi:04X} comes twice")
    sizes = {len(secrets[tag]) for tag in _KEYS}
    require(len(sizes) == 1 and sizes <= {16, 24, 32}, "the static keys are not of one AES length")
    require(len(secrets[IRK]) == 16, "the IRK is not 16 bytes long")
    require(len(secrets[SCALAR]) == 32, "the scalar is not 32 bytes long")
    require(0 < int.from_bytes(secrets[SCALAR], "big") < _ORDER, "the scalar is none of P-256")
    return secrets


def _require_key_check_values(lease: Content, secrets: dict[int, bytes]) -> None:
    for at, (tag, name) in enumerate(zip(_KEYS, ("ENC", "MAC", "DEK"), strict=True)):
        # First 3 bytes of AES over 16 bytes of 01 (GP Card Spec 2.3.1, B.6): ECB by definition.
        encryptor = Cipher(algorithms.AES(secrets[tag]), modes.ECB()).encryptor()  # noqa: S305
        value = encryptor.update(b"\x01" * 16)[:3]
        require(value == lease.kcv[3 * at : 3 * at + 3], f"the check value of Key-{name} is wrong")


def _require_own_certificate(lease: Content, scalar: bytes) -> None:
    """The certificate in A002 is this key's and this FESN's, as the station asks it."""
    part = next(p for p in parts(lease.items, 2, 4) if p.tag == Dgi.DEVICE_CERTIFICATE)
    own = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1()).public_key()
    point = own.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    try:
        require_device_certificate(
            lease.items[part.start : part.end], lease.fesn.decode("ascii", "replace"), point
        )
    except ValueError as error:
        raise Finding(f"the content has {error} (DGI A002)") from error
