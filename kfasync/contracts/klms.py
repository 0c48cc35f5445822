"""What goes over the wire between a station and a KLMS: the schemas of docs/klms-openapi.yaml.

No behaviour and no secret: secrets travel inside ``Sealed.ciphertext`` and nowhere else. Byte
strings are base64 (RFC 4648, 4) on the wire, which is what msgspec makes of ``bytes``;
identifiers that people compare are hex in capitals. Every number is an integer, so that the
canonical form of an answer (RFC 8785) needs no rule for fractions.

A request is read strictly, an answer is not: a later server may say more than is known here.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

VERSION = "kfasync/1"  # begins the info of every sealed block
PREFIX = "/v1"

# HPKE (RFC 9180), base mode: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM.
SUITE = "hpke-p256-sha256-aes128gcm"

IDEMPOTENCY_KEY = "Idempotency-Key"
CORRELATION_ID = "X-Correlation-Id"
JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
STATION_URI = "urn:kfasync:station:"  # and the station's name: the URI in its certificate's SAN

ENDS_MAX = 100  # in one request
TTL_MAX_S = 3600

# (?!\n): `$` of Python also matches before a line break at the end.
Hex = Annotated[str, msgspec.Meta(pattern=r"^([0-9A-F]{2})*(?!\n)$", max_length=1024)]
Uid = Annotated[str, msgspec.Meta(pattern=r"^([0-9A-F]{2}){4,10}(?!\n)$")]
Aid = Annotated[str, msgspec.Meta(pattern=r"^([0-9A-F]{2}){5,16}(?!\n)$")]
KeyCheckValue = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-F]{6}(?!\n)$")]
DgiTag = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-F]{4}(?!\n)$")]
Fesn = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z]{8}(?!\n)$")]
Spid = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f]{40}(?!\n)$")]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-F]{64}(?!\n)$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7E]{1,64}(?!\n)$")]
Identifier = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z-]{1,64}(?!\n)$")]
Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Slot = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Ttl = Annotated[int, msgspec.Meta(ge=1, le=TTL_MAX_S)]
State = Literal["bound", "consumed", "free", "quarantined"]


class KeyBlockTag:
    """Tags of the sealed key block: tag (1 byte), length (2 bytes, big-endian), value."""

    ENC = 0x01
    MAC = 0x02
    DEK = 0x03
    SCALAR = 0x10  # of P-256, 32 bytes
    IRK = 0x11  # 16 bytes
    ITEM = 0x20  # DGI (2 bytes), then its data


# ----------------------------------------------------------------------------------- requests


class UnitName(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One physical fob and the applet on it: (UID, AID) is a unit.

    ``atr`` informs and binds nothing: a fob that was announced has none yet.
    """

    uid: Uid
    aid: Aid
    atr: Hex = ""


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public key that the key block is sealed to: 65 bytes, 04 || X || Y."""

    suite: str
    public_key: Annotated[bytes, msgspec.Meta(min_length=65, max_length=65)]


class LeaseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Body of POST /v1/leases. ``slot`` informs, ``ttl_s`` asks and the server caps it."""

    unit: UnitName
    profile: Name
    station: Name
    recipient: Recipient
    slot: Slot | None = None
    ttl_s: Ttl | None = None


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How one attempt ended.

    A commit says ``outcome``: pass consumes the content, anything else quarantines it. An abort
    says ``touched``: only none, from every lease of the unit, frees the content.
    ``record_hash`` is the SHA-256 of the audit record, as the station's log has it.
    """

    lease_id: Identifier
    end: Literal["abort", "commit"]
    outcome: Literal["error", "fail", "incomplete", "pass"]
    touched: Literal["none", "partial", "unknown"]
    record_hash: Sha256 | None = None


class Outcomes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /v1/outcomes."""

    ends: Annotated[tuple[End, ...], msgspec.Meta(min_length=1, max_length=ENDS_MAX)]


# ------------------------------------------------------------------------------------ answers


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of every error (RFC 9457), as ``application/problem+json``."""

    type: str
    title: str
    status: int
    code: str
    retryable: bool
    operator_action: str
    correlation_id: str
    detail: str = ""


class Kcv(msgspec.Struct, frozen=True):
    """Key check values (GP Card Specification 2.3.1, B.6), six hex digits each."""

    enc: KeyCheckValue
    mac: KeyCheckValue
    dek: KeyCheckValue


class KeysetFacts(msgspec.Struct, frozen=True):
    """The public part of the static key set."""

    kvn: Byte
    kcv: Kcv


class PlainItem(msgspec.Struct, frozen=True):
    """One DGI whose value is not secret."""

    dgi: DgiTag
    data: bytes


class ContainerFacts(msgspec.Struct, frozen=True):
    """The public part of the content."""

    fesn: Fesn
    spid: Spid
    items: tuple[PlainItem, ...]


class Sealed(msgspec.Struct, frozen=True):
    """The key block, sealed to the recipient key of this one request.

    ``enc`` is the sender's ephemeral public key, 65 bytes (RFC 9180, 4.1 and 7.1.1).
    """

    suite: str
    enc: Annotated[bytes, msgspec.Meta(min_length=65, max_length=65)]
    ciphertext: Annotated[bytes, msgspec.Meta(min_length=16, max_length=8192)]


class LeaseAnswer(msgspec.Struct, frozen=True):
    """Body of 201 (a new lease) and of 200 (the lease of this Idempotency-Key again).

    ``ttl_s`` is counted from the sending of the request; 0: not to be used any more.
    ``sealed`` is bound to everything beside it (:func:`info`).
    """

    lease_id: Identifier
    uid: Uid
    ttl_s: Count
    server_time: str  # RFC 3339
    keyset: KeysetFacts
    container: ContainerFacts
    sealed: Sealed


class EndAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one end: the state of the content, or why it was not taken."""

    lease_id: Identifier
    content: State | None = None
    problem: ProblemDetails | None = None


class OutcomesAnswer(msgspec.Struct, frozen=True):
    """Body of 200 of POST /v1/outcomes: one answer for each end, in their order."""

    ends: tuple[EndAnswer, ...]


class PoolAnswer(msgspec.Struct, frozen=True):
    """Body of GET /v1/pool/{profile}; ``leased`` counts whatever is bound to a unit."""

    profile: Name
    free: Count
    leased: Count
    consumed: Count
    quarantined: Count


class HealthAnswer(msgspec.Struct, frozen=True):
    """Body of GET /v1/health: pool and key store have just answered."""

    status: Literal["ok"]


class TimeAnswer(msgspec.Struct, frozen=True):
    """Body of GET /v1/time."""

    server_time: str  # RFC 3339


class CapabilitiesAnswer(msgspec.Struct, frozen=True):
    """Body of GET /v1/capabilities; ``key_store`` says where the master key is kept."""

    versions: tuple[str, ...]
    suites: tuple[str, ...]
    profiles: tuple[str, ...]
    ttl_s: Count
    ttl_max_s: Count
    key_store: Literal["memory", "pkcs11"]


# --------------------------------------------------------------------------- what a seal binds


def canonical(answer: Mapping[str, Any]) -> bytes:
    """The plain part of a lease answer in the form of RFC 8785.

    Made from the JSON object as it came, not from :class:`LeaseAnswer`, so that what a later
    version adds is covered without being known here. All names are ASCII, all numbers are
    integers and no string needs an escape, so sorted names are all that is left of that standard.
    """
    plain = {name: value for name, value in answer.items() if name != "sealed"}
    return msgspec.json.encode(plain, order="sorted")


def info(lease_id: str, uid: bytes, station: str, plain: bytes) -> bytes:
    """The ``info`` of HPKE: a blob opens for this lease, fob, station and plain part only.

    Args:
        plain: as :func:`canonical` gives it.
    """
    parts = (lease_id.encode("ascii"), uid, station.encode("ascii"))
    counted = b"".join(len(part).to_bytes(2) + part for part in parts)
    return VERSION.encode("ascii") + b"\x00" + counted + hashlib.sha256(plain).digest()
