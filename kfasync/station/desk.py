"""What all lanes of one station share."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from kfasync.contracts.crypto import CryptoPath
from kfasync.contracts.sources import Source
from kfasync.core.profile import CardProfile
from kfasync.errors import UnitError
from kfasync.ledger.ledger import Ledger
from kfasync.model import Unit
from kfasync.sources.provider.library import LibraryFacts
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Follower


class Roster:
    """The units that are being worked on now; thread-safe.

    Two fobs with one UID are possible (a copied fob, a reader that sees its neighbour's), and
    the second of them would be given the content of the first.
    """

    def __init__(self) -> None:
        self._at: dict[tuple[bytes, str], str] = {}
        self._lock = threading.Lock()

    @contextmanager
    def working_on(self, unit: Unit, reader: str) -> Iterator[None]:
        """Hold a unit; UnitError when another lane holds it."""
        key = unit.uid, unit.profile
        with self._lock:
            other = self._at.setdefault(key, reader)
        if other != reader:
            raise UnitError(
                f"fob {unit.uid.hex().upper()} is on reader {other} at this moment: "
                "there are two fobs with one UID, or two readers that see one fob"
            )
        try:
            yield
        finally:
            with self._lock:
                del self._at[key]


class Desk(msgspec.Struct, frozen=True):
    """Everything a lane needs besides its reader.

    ``provider`` is the vendor's library that the content comes from, if it comes from one.
    ``followers`` are woken after every attempt.
    """

    station: str
    config_sha256: str
    card_timeout_s: float
    profile: CardProfile
    path: CryptoPath
    source: Source
    ledger: Ledger
    roster: Roster
    tell: Callable[[LaneEvent], None]
    provider: LibraryFacts | None = None
    followers: tuple[Follower, ...] = ()
