"""What all lanes of one station share."""

from collections.abc import Callable

import msgspec

from kfasync.contracts.crypto import CryptoPath
from kfasync.contracts.sources import Source
from kfasync.core.profile import CardProfile
from kfasync.ledger.ledger import Ledger
from kfasync.model import KeySet
from kfasync.station.batch import Batch
from kfasync.station.events import LaneEvent
from kfasync.station.fetches import Fetches
from kfasync.station.follower import Follower
from kfasync.station.prefetch import Prefetch
from kfasync.station.roster import Roster
from kfasync.station.sender import Sender
from kfasync.station.writetime import WriteTime


class Desk(msgspec.Struct, frozen=True):
    """Everything a lane needs besides its reader.

    ``followers`` are woken after every attempt. ``asks_early`` is False only to measure what it
    brings to ask for a lease before it is needed. ``reference_keys`` are those of reference fobs.
    """

    station: str
    config_sha256: str
    card_timeout_s: float
    profile: CardProfile
    path: CryptoPath
    source: Source
    ledger: Ledger
    sender: Sender
    fetches: Fetches
    prefetch: Prefetch
    write_time: WriteTime
    followers: tuple[Follower, ...]
    roster: Roster
    tell: Callable[[LaneEvent], None]
    asks_early: bool = True
    batch: Batch = msgspec.field(default_factory=Batch)
    reference_keys: KeySet | None = None
