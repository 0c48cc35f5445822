"""The outbox: what the source of the content has still to hear.

A row is written in the transaction of the outcome and goes when the source has acknowledged it,
so that no crash makes an end untold. Of one fob the ends are told in their order.
"""

import msgspec

from kfasync.contracts.sources import End, EndKind
from kfasync.ledger import statements
from kfasync.ledger.sqlite import Session, Store
from kfasync.ledger.values import now
from kfasync.model import Outcome, Touched

PAGE = 500


class Untold(msgspec.Struct, frozen=True):
    """An end that waits; ``number`` is its own in this ledger."""

    number: int
    end: End
    tries: int


class Waiting(msgspec.Struct, frozen=True):
    """How much waits for one pool.

    ``due`` ends are told as soon as the pool listens, ``refused`` ones not any more;
    ``oldest`` is when the first of them was written, by RFC 3339, and ``problem`` why the last
    one that was not heard was not.
    """

    pool: str
    due: int
    refused: int
    oldest: str
    problem: str


class Outbox:
    """The ends that wait, whatever pool they are for; thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def due(self, pool: str) -> list[Untold]:
        """The oldest end of each unit, oldest first; of a long backlog the beginning."""
        values = {"of_source": pool, "most": PAGE}
        rows = self._store.read(lambda session: session.run(statements.due, values).fetchall())
        return [
            Untold(
                row["id"],
                End(
                    uid=bytes.fromhex(row["uid"]),
                    lease_id=row["lease_id"],
                    kind=EndKind(row["end"]),
                    outcome=Outcome(row["outcome"]),
                    touched=Touched(row["touched"]),
                    record_sha256=row["record_sha256"],
                ),
                row["tries"],
            )
            for row in rows
        ]

    def put(self, pool: str, end: End) -> None:
        """Write down the end of a lease that no attempt has taken."""
        self._store.write(lambda session: post(session, pool, end, now()))

    def settle(self, heard: list[int], postponed: dict[int, str], refused: dict[int, str]) -> None:
        """What has come of telling: by number, and with the reason where it was not heard.

        It is not flushed: what a power cut takes is told once more, which every source allows.
        """

        def work(session: Session) -> None:
            session.run_many(statements.acknowledge, [{"of_id": number} for number in heard])
            for statement, reasons in (
                (statements.postpone, postponed),
                (statements.refuse, refused),
            ):
                session.run_many(
                    statement,
                    [{"of_id": number, "new_problem": why} for number, why in reasons.items()],
                )

        self._store.write(work, durable=False)

    def waiting(self) -> list[Waiting]:
        """How much waits for each pool for which something does."""
        rows = self._store.read(lambda session: session.run(statements.waiting).fetchall())
        return [Waiting(*row) for row in rows]


def post(session: Session, pool: str, end: End, at: str) -> None:
    """Write an end down, in a transaction of somebody else's."""
    session.run(
        statements.post,
        {
            "new_source": pool,
            "new_uid": end.uid.hex(),
            "new_lease_id": end.lease_id,
            "new_end": end.kind.value,
            "new_outcome": end.outcome.value,
            "new_touched": end.touched.value,
            "new_record_sha256": end.record_sha256,
            "new_created_at": at,
        },
    )
