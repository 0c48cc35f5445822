"""The values that cross seams between rooms: enums and frozen structs, no behaviour.

Bytes are bytes here; hex appears only in the audit record, which is text by nature.
"""

import enum

import msgspec

from kfasync.secret import Secret

# ------------------------------------------------------------------ the card's vocabulary


class Stage(enum.Enum):
    """The stages of one fob's way, in order."""

    READ_UID = "ReadUid"
    FETCH_KEYS = "FetchKeys"
    INITIALIZE_UPDATE = "InitializeUpdate"
    EXTERNAL_AUTHENTICATE = "ExternalAuthenticate"
    PAYLOAD_DELIVERY = "PayloadDelivery"
    LIFECYCLE_TRANSITION = "LifecycleTransition"
    POST_PERSONALIZATION = "PostPersonalization"


class SecurityLevel(enum.IntEnum):
    """P1 of EXTERNAL AUTHENTICATE (GP Amendment D v1.2, table 7-5)."""

    C_MAC = 0x01
    C_MAC_C_DECRYPTION = 0x03
    C_MAC_R_MAC = 0x11
    C_MAC_C_DECRYPTION_R_MAC = 0x13
    C_MAC_C_DECRYPTION_R_MAC_R_ENCRYPTION = 0x33


class Scp03Mode(enum.Enum):
    """Length of challenges, cryptograms and MACs (GP Amendment D v1.2, 5.1)."""

    S8 = "S8"
    S16 = "S16"


class Layout(enum.Enum):
    """How the INITIALIZE UPDATE answer and the session-key context are laid out.

    The first word is the answer's layout, the second (when it differs) the context's.
    """

    GP = "gp"
    REV3 = "rev3"
    GP_WITH_REV3_CONTEXT = "gp+rev3-context"
    REV3_WITH_GP_CONTEXT = "rev3+gp-context"


# ------------------------------------------------------------------------ what is written


class KeyCheckValues(msgspec.Struct, frozen=True):
    """First 3 bytes of AES over 16 bytes of 01, of each static key (GP Card Spec 2.3.1, B.6)."""

    enc: bytes
    mac: bytes
    dek: bytes


class KeySet(msgspec.Struct, frozen=True):
    """The three static SCP03 keys of one fob: 16, 24 or 32 bytes, all of one length."""

    kvn: int
    enc: Secret
    mac: Secret
    dek: Secret
    kcv: KeyCheckValues


class Item(msgspec.Struct, frozen=True):
    """One DGI to be written.

    ``under_dek`` says that the value goes to the card as AES-CBC under the static DEK,
    padded by ISO/IEC 9797-1 method 2.
    """

    dgi: int
    value: bytes | Secret
    under_dek: bool = False


class StoreDataPlan(msgspec.Struct, frozen=True):
    """How the DGI stream is cut into STORE DATA commands (GP Card Spec 2.3.1, 11.11)."""

    block_size: int
    p1: int
    last_p1: int


class Unit(msgspec.Struct, frozen=True):
    """One applet of one physical fob: ``uid`` and ``aid`` are its identity everywhere.

    ``uid`` is as the reader gave it. What the card profile is called identifies nothing.
    """

    uid: bytes
    diversification_uid: bytes
    atr: bytes
    aid: bytes
    profile: str


class Content(msgspec.Struct, frozen=True):
    """The name of what one fob gets: a FESN is issued once and to one unit only."""

    fesn: str
    spid: str


class Fingerprint(msgspec.Struct, frozen=True):
    """What content is, whatever it is called; digests as hex, and nothing of it is secret.

    ``key`` is the SHA-256 of the device's public key as SubjectPublicKeyInfo. ``irk`` and ``items``
    (of everything that is this fob's own) are HMAC-SHA-256 under a key of the ledger's, so that
    nobody can try values against them.
    """

    key: str
    irk: str
    items: str


class Lease(msgspec.Struct, frozen=True):
    """What a source hands out for one unit.

    ``lease_id`` is what the source calls it, ``fence`` what the ledger does: a new one for every
    attempt, so that one which was taken over can change nothing any more. ``secrets`` are those
    that die with the attempt. ``expires_at_s`` is on ``time.monotonic``; None where the source
    knows no expiry. ``issuer_checked`` says whether anybody verified who issued the device
    certificate.
    """

    lease_id: str
    unit: Unit
    content: Content
    keys: KeySet
    items: tuple[Item, ...]
    secrets: tuple[Secret, ...]
    fence: str = ""
    expires_at_s: float | None = None
    issuer_checked: bool = False


class Opening(msgspec.Struct, frozen=True):
    """Everything a secure channel is opened from (GP Amendment D v1.2, 6.2.2 and 7.1.1)."""

    host_challenge: bytes
    answer: bytes  # data field of the INITIALIZE UPDATE answer, without the status word
    key_version: int  # as asked for in P1; 0 = first available
    security_level: SecurityLevel
    scp03_mode: Scp03Mode
    layouts: tuple[Layout, ...]  # tried in this order
    aid: bytes  # of the application that answered; enters the pseudo-random card challenge


class SessionFacts(msgspec.Struct, frozen=True):
    """What the card said of itself in INITIALIZE UPDATE; nothing of it is secret."""

    layout: Layout
    kvn: int
    i_param: int | None
    sequence_counter: int | None
    key_diversification_data: bytes


# ---------------------------------------------------------------------------- what came of it


class Touched(enum.Enum):
    """How far the card's memory can have been changed: what an abort must say."""

    NONE = "none"
    PARTIAL = "partial"
    UNKNOWN = "unknown"


class Mark(enum.Enum):
    """What must be on disk before the next command leaves."""

    BURNED = "burned"  # the content belongs to this unit for ever
    LAST_SENT = "last-sent"  # the command that moves the applet to FACTORY may have arrived
    STILL_OPEN = "still-open"  # an earlier LAST_SENT did not arrive: the card takes STORE DATA
    BEGUN = "begun"  # of a unit in doubt: a session may have begun, and the card have counted it
    AUTHENTICATED = "authenticated"  # of a unit in doubt: that session was authenticated


class Earlier(msgspec.Struct, frozen=True):
    """The card as it was in the session that burned its content, or announced its last command.

    ``begun`` and ``authenticated`` count the sessions of this station since then. ``recoverable``
    is a person's word that nobody else has personalized the fob.
    """

    sequence_counter: int | None
    key_diversification_data: bytes
    atr: bytes
    begun: int = 0
    authenticated: int = 0
    recoverable: bool = False


class Standing(msgspec.Struct, frozen=True):
    """What earlier attempts may have done to this unit; ``earlier`` is None where nobody knows."""

    touched: Touched = Touched.NONE
    earlier: Earlier | None = None


class ContentState(enum.Enum):
    """The life of a container; nothing ever goes back from BURNED."""

    FREE = "FREE"
    RESERVED = "RESERVED"
    BURNED = "BURNED"
    CONSUMED = "CONSUMED"
    QUARANTINED = "QUARANTINED"


class Disposition(enum.Enum):
    """What is to be done with the fob that has just been on the reader."""

    PASS = "pass"
    RECOVERED = "recovered"
    ALREADY_PROVISIONED = "already-provisioned"
    FAIL = "fail"
    RETRY = "retry"
    BOUND = "bound"
    IN_DOUBT = "in-doubt"
    INTERRUPTED = "interrupted"  # the station ended in the middle of it
    ERROR = "error"


class Outcome(enum.Enum):
    """Disposition in one word for a lamp or a counter; never PASS by default."""

    PASS = "pass"
    FAIL = "fail"
    INCOMPLETE = "incomplete"
    ERROR = "error"
