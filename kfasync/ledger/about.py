"""What a ledger has written down of itself: which one it is, and whose."""

from functools import cached_property

from kfasync.ledger import schema, statements
from kfasync.ledger.sqlite import Session, Store
from kfasync.ledger.values import now


class About:
    """The part of a ledger that knows about itself; thread-safe."""

    _store: Store

    @cached_property
    def digest_key(self) -> bytes:
        """The key of this ledger's fingerprints; it is lost with the ledger only."""
        return self._store.read(lambda session: _recall(session, schema.DIGEST_KEY))

    @cached_property
    def identity(self) -> str:
        """What tells this ledger from every other one, as 32 hex digits."""
        return self._store.read(lambda session: _recall(session, schema.LEDGER_ID)).hex()

    @property
    def starts(self) -> int:
        """How often a station has started on this ledger."""
        return int(self._store.read(lambda session: _recall(session, schema.STARTS)) or b"0")

    def count_start(self) -> int:
        """One more; returns how many."""
        starts = self.starts + 1
        self._remember(schema.STARTS, str(starts).encode())
        return starts

    def knows(self, pool: str) -> bool:
        """Whether this ledger was made for that pool, by a person or at its first start."""
        name = schema.POOL + pool
        return bool(self._store.read(lambda session: _recall(session, name)))

    def know(self, pool: str) -> None:
        """From now on it is that pool's."""
        self._remember(schema.POOL + pool, now().encode())

    def touch(self) -> None:
        """Write something, if only to see that it can be written.

        Raises:
            LedgerError: it cannot.
        """
        self._remember(schema.TOUCHED, now().encode())

    def _remember(self, name: str, value: bytes) -> None:
        values = {"of_name": name, "new_value": value}
        self._store.write(lambda session: session.run(statements.remember, values), single=True)


def _recall(session: Session, name: str) -> bytes:
    """What the ledger has written down of itself; empty when it has not."""
    row = session.run(statements.recall, {"of_name": name}).fetchone()
    return bytes(row["value"]) if row is not None else b""
