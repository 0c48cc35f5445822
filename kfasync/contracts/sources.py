"""Where a fob's content comes from: one life cycle for every source.

    open() -> [ fetch(unit) -> adopt(parcel) -> ... -> tell(ends) ] -> close()

Content goes FREE -> RESERVED -> BURNED -> CONSUMED | QUARANTINED, and from BURNED never back.

Fetching and adopting are two steps, because a fetch that runs while the card is being talked to
may come back after the attempt has ended: then the ledger has never heard of it.
"""

import enum
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from kfasync.errors import SourceError
from kfasync.model import Content, Fingerprint, Lease, Outcome, Touched, Unit


class SourceFacts(msgspec.Struct, frozen=True):
    """What a source is; it stands in every record.

    ``pool`` names the pool that the content comes from, and stays the same when the source is
    restarted or updated: ends that were not told are kept under it. ``remote`` says whether that
    pool is kept by somebody else: only then there is anything to fetch, and somebody who has to
    be told of every end.
    """

    kind: str
    pool: str
    name: str = ""
    version: str = ""
    sha256: str | None = None
    remote: bool = False


class Parcel(msgspec.Struct, frozen=True):
    """What a fetch has brought for a unit; empty where the content is found by adopting.

    ``lease`` is as the source made it out, and not yet in the ledger.
    """

    unit: Unit
    lease: Lease | None = None


class EndKind(enum.Enum):
    """How a lease ended."""

    COMMIT = "commit"  # the unit is done, or has failed for good: the content is used up
    ABORT = "abort"  # no outcome; only Touched.NONE puts the content back


class End(msgspec.Struct, frozen=True):
    """What a source is told of the end of a lease.

    ``lease_id`` is the source's own name of the lease, ``record_sha256`` the hash of the
    attempt's record, as hex.
    """

    uid: bytes
    lease_id: str
    kind: EndKind
    outcome: Outcome
    touched: Touched
    record_sha256: str


class SetAside(msgspec.Struct, frozen=True):
    """A container that must not be issued, why, and what its files looked like.

    ``stamp`` is empty when no change of its files, but only a person, can bring it back.
    """

    content: Content
    reason: str
    stamp: str


class Source(Protocol):
    """A source of fob content."""

    @property
    def facts(self) -> SourceFacts:
        """What it is; once it is open."""
        ...

    async def open(self) -> None:
        """Get hold of what the source needs.

        Raises:
            SourceError: it is not available, or not the one that was meant.
        """
        ...

    async def close(self) -> None:
        """Let go of it; may be called again."""
        ...

    async def fetch(self, unit: Unit, *, ttl_s: int | None = None) -> Parcel:
        """The slow part: content and keys for a unit, which the ledger does not know of yet.

        Of a source that is not remote the parcel is empty, and need not be fetched. The same
        content again while the unit's turn is open. May run ahead of the fob, whose ATR is not
        known then.

        Args:
            ttl_s: how long the lease should be good for, in seconds; None leaves it to the source,
                which may give less in any case.

        Raises:
            SourceError: there is none, or what there is is wrong.
            UnitError: the source says that the unit has had its turn.
        """
        ...

    def adopt(self, parcel: Parcel) -> Lease:
        """Enter a parcel in the ledger, and with it the lease is the attempt's; blocks.

        Raises:
            SourceError: there is no content, or it is wrong, or another unit's.
            UnitError: the unit has had its turn.
        """
        ...

    async def tell(self, ends: Sequence[End]) -> Sequence[SourceError | None]:
        """Tell of ends, at most one a unit; for each None when it was heard, else why not.

        An end may be told twice. A retryable error is one that may be gone the next time; what
        is refused for good is not told again.

        Raises:
            SourceUnavailableError: nobody is there, and none of the ends was heard.
        """
        ...


class Pool(Protocol):
    """Who has which content: kept for a source that has no server to keep it.

    The station's ledger is the one implementation; it is passed in, because a source does
    not know the station.
    """

    @property
    def digest_key(self) -> bytes:
        """For the fingerprints of content."""
        ...

    def offer(self, contents: Iterable[Content]) -> None:
        """These are available now; what was free and is not among them no longer is."""
        ...

    def claim(self, unit: Unit) -> tuple[str, Content] | None:
        """Fence and content for this unit, in one statement; None when nothing is free."""
        ...

    def identify(
        self, unit: Unit, fence: str, content: Content, fingerprint: Fingerprint
    ) -> str | None:
        """What the claimed content turned out to be; the reason when it must not be issued.

        Raises:
            SourceError: it is burned, and what is under its name now is not what was burned.
            LeaseExpiredError: it is no longer this attempt's.
        """
        ...

    def set_aside(self, unit: Unit, fence: str, content: Content, reason: str, stamp: str) -> bool:
        """This claimed content must not be issued until its ``stamp`` changes.

        False when it is burned: then it is its unit's, and is not set aside.
        """
        ...

    def aside(self) -> list[SetAside]:
        """Everything that was set aside."""
        ...

    def take_back(self, fesns: Iterable[str]) -> None:
        """These may be offered again."""
        ...


class Register(Protocol):
    """Who has which content, for a source whose pool is kept elsewhere.

    The station's ledger again. The source says what was issued over there, and the ledger
    refuses what it knows to be somebody else's.
    """

    @property
    def digest_key(self) -> bytes:
        """For the fingerprints of content."""
        ...

    def adopt(
        self,
        unit: Unit,
        fence: str,
        content: Content,
        fingerprint: Fingerprint,
        *,
        pool: str = "",
        lease_id: str = "",
    ) -> None:
        """This unit has been given this content; the same again renews the lease.

        An end of this very lease that ``pool`` has not been told yet is not told any more: the
        lease has a new attempt.

        Raises:
            SourceError: it was issued to another unit, by name or by what it is, or this unit has
                other content.
            UnitError: the unit has had its turn.
        """
        ...
