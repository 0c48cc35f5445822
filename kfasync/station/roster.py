"""The units that are being worked on."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from kfasync.errors import UnitError
from kfasync.model import Unit


class Roster:
    """The units that are being worked on now; thread-safe.

    Two fobs with one UID are possible (a copied fob, a reader that sees its neighbour's), and
    the second of them would be given the content of the first.
    """

    def __init__(self) -> None:
        self._at: dict[tuple[bytes, bytes], str] = {}
        self._expected: Counter[bytes] = Counter()
        self._unended: set[tuple[bytes, bytes]] = set()
        self._lock = threading.Lock()

    @contextmanager
    def working_on(self, unit: Unit, reader: str) -> Iterator[None]:
        """Hold a unit; UnitError when another lane holds it."""
        key = unit.uid, unit.aid
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

    def is_held(self, unit: Unit) -> bool:
        """Whether a lane works on this unit at this moment."""
        with self._lock:
            return (unit.uid, unit.aid) in self._at

    def leave_unended(self, unit: Unit) -> None:
        """An attempt on this unit could not be ended in the ledger."""
        with self._lock:
            self._unended.add((unit.uid, unit.aid))

    def take_unended(self, unit: Unit) -> bool:
        """Whether there is such an attempt, of which the caller takes care now."""
        key = unit.uid, unit.aid
        with self._lock:
            left = key in self._unended
            self._unended.discard(key)
            return left

    def expect(self, unit: Unit) -> None:
        """A lease for this unit is on its way, or here for a fob to come."""
        with self._lock:
            self._expected[unit.uid] += 1

    def forget(self, unit: Unit) -> None:
        """It was taken, or is to be handed back."""
        with self._lock:
            self._expected[unit.uid] -= 1
            if not self._expected[unit.uid]:
                del self._expected[unit.uid]

    def uids(self) -> frozenset[bytes]:
        """Those that are worked on at this moment, or that a lease is on its way or here for."""
        with self._lock:
            return frozenset(uid for uid, _ in self._at) | self._expected.keys()
