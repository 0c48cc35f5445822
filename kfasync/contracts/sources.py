"""Where a fob's content comes from: one life cycle for every source.

    lease(unit) -> commit(lease, outcome) | abort(lease, touched)

Content goes FREE -> RESERVED -> BURNED -> CONSUMED | QUARANTINED, and from BURNED never back.
"""

import enum
from collections.abc import Iterable
from typing import Protocol

import msgspec

from kfasync.model import Content, Lease, Outcome, Touched, Unit


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


class Source(Protocol):
    """A source of fob content."""

    async def lease(self, unit: Unit) -> Lease:
        """Content and keys for this unit; the same content again while its turn is open.

        Raises:
            SourceError: there is none, or what there is is wrong.
        """
        ...

    async def commit(self, lease: Lease, outcome: Outcome) -> None:
        """The unit is done, or has failed for good."""
        ...

    async def abort(self, lease: Lease, touched: Touched) -> None:
        """The attempt ended without an outcome; only Touched.NONE puts the content back."""
        ...


class Pool(Protocol):
    """Who has which content: kept for a source that has no server to keep it.

    The station's ledger is the one implementation; it is passed in, because a source does
    not know the station.
    """

    def offer(self, contents: Iterable[Content]) -> None:
        """These are to be had now; what was free and is not among them no longer is."""
        ...

    def claim(self, unit: Unit) -> tuple[str, Content] | None:
        """Lease id and content for this unit, in one statement; None when nothing is free."""
        ...


class Register(Protocol):
    """Who has which content, for a source whose pool is kept elsewhere.

    The station's ledger again. The source says what was issued over there, and the ledger
    refuses what it knows to be somebody else's.
    """

    def adopt(self, unit: Unit, lease_id: str, content: Content) -> None:
        """This unit has been given this content; the same again renews the lease.

        Raises:
            SourceError: it was issued to another unit, or this unit has other content.
            UnitError: the unit has had its turn.
        """
        ...
