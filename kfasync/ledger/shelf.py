"""The ledger as a pool: which content is there to be issued, and who has it."""

import sqlite3
import uuid
from collections.abc import Iterable, Sequence

import msgspec

from kfasync.contracts.sources import SetAside
from kfasync.errors import LedgerError
from kfasync.ledger import attempts, statements
from kfasync.ledger.issue import identify
from kfasync.ledger.sqlite import Session, Store
from kfasync.ledger.values import now, of_unit
from kfasync.model import Content, Fingerprint, Standing, Unit


class Shelf:
    """The part of a ledger that is a :class:`kfasync.contracts.sources.Pool`; thread-safe."""

    _store: Store

    def offer(self, contents: Iterable[Content]) -> None:
        """These are available now; what was free and is not among them no longer is.

        Only differences are written.

        Raises:
            LedgerError: one of them was issued before under another SPID.
        """
        offered = {offer.fesn: offer.spid for offer in contents}

        def work(session: Session) -> None:
            free = {row["fesn"]: row["spid"] for row in session.run(statements.free)}
            gone = [{"of_fesn": fesn} for fesn in free if free[fesn] != offered.get(fesn)]
            new = {fesn: spid for fesn, spid in offered.items() if free.get(fesn) != spid}
            session.run_many(statements.withdraw, gone)
            at = now()
            session.run_many(
                statements.offer,
                [{"new_fesn": fesn, "new_spid": spid, "at": at} for fesn, spid in new.items()],
            )
            if not new:
                return
            # What is new here and was not taken in has been issued before.
            names = {"offered": msgspec.json.encode(new).decode()}
            other = session.run(statements.renamed, names).fetchone()
            if other is not None:
                raise LedgerError(
                    f"container {other['fesn']}-{other['spid']}: FESN {other['fesn']} has been "
                    "issued with another SPID; remove the directory, a serial number is used once"
                )

        self._store.write(work)

    def claim(self, unit: Unit) -> tuple[str, Content] | None:
        """Fence and content: the unit's own where it has some, else free content, else None.

        Raises:
            UnitError: the unit has had its turn.
        """
        fence = uuid.uuid4().hex
        values = {**of_unit(unit), "new_lease_id": fence, "at": now()}

        def work(session: Session) -> sqlite3.Row | None:
            try:
                row: sqlite3.Row | None = session.run(statements.claim, values).fetchone()
            except sqlite3.IntegrityError:
                return None  # the unit has had its content, and the database knows
            return row

        row = self._store.write(work, durable=False, single=True)
        if row is None:
            self.standing(unit)  # raises when this unit must not have any
            return None
        return fence, Content(row["fesn"], row["spid"])

    def identify(
        self, unit: Unit, fence: str, content: Content, fingerprint: Fingerprint
    ) -> str | None:
        """What the claimed content turned out to be; the reason when it must not be issued.

        Raises:
            SourceError: it is burned, and what is under its name now is not what was burned.
            LeaseExpiredError: it is no longer this attempt's.
        """

        def work(session: Session) -> str | None:
            return identify(session, unit, fence, content, fingerprint)

        # One statement, unless there is something to explain, and that is looked up.
        return self._store.write(work, durable=False, single=True)

    def set_aside(self, unit: Unit, fence: str, content: Content, reason: str, stamp: str) -> bool:
        """This claimed content must not be issued until its ``stamp`` changes.

        False when it is burned: then it is its unit's, and is not set aside.
        """
        of = {"of_fesn": content.fesn, "of_lease_id": fence, "of_uid": unit.uid.hex()}
        new = {"new_fesn": content.fesn, "new_spid": content.spid}

        def work(session: Session) -> bool:
            values = {**of, **new, "new_reason": reason, "new_stamp": stamp, "at": now()}
            if not session.run(statements.release, values).rowcount:
                return False
            session.run(statements.withdraw, values)
            session.run(statements.put_aside, values)
            return True

        return self._store.write(work)

    def unissued(self, contents: Iterable[Content]) -> list[Content]:
        """What of this no unit has, as far as this ledger knows."""
        rows = self._store.read(lambda session: session.run(statements.taken).fetchall())
        taken = {row["fesn"] for row in rows}
        return [content for content in contents if content.fesn not in taken]

    def hold(self, held: Sequence[Content], reason: str, attempt: str, record: str) -> None:
        """Set content aside until a person frees it; ``record`` is that of the decision."""

        def work(session: Session) -> None:
            session.run_many(statements.withdraw, [{"of_fesn": one.fesn} for one in held])
            values = {"new_reason": reason, "new_stamp": "", "at": now()}
            session.run_many(
                statements.put_aside,
                [{**values, "new_fesn": one.fesn, "new_spid": one.spid} for one in held],
            )
            attempts.add_decision(session, attempt, "taken-over", record)

        self._store.write(work)

    def free(self, fesns: Iterable[str], attempt: str, record: str) -> None:
        """These that a person held may be issued; ``record`` is that of the decision."""
        values = [{"of_fesn": fesn} for fesn in fesns]

        def work(session: Session) -> None:
            session.run_many(statements.take_back, values)
            attempts.add_decision(session, attempt, "freed", record)

        self._store.write(work)

    def aside(self) -> list[SetAside]:
        """Everything that was set aside, by FESN."""
        rows = self._store.read(lambda session: session.run(statements.aside).fetchall())
        return [
            SetAside(Content(row["fesn"], row["spid"]), row["reason"], row["stamp"]) for row in rows
        ]

    def take_back(self, fesns: Iterable[str]) -> None:
        """These may be offered again."""
        values = [{"of_fesn": fesn} for fesn in fesns]
        self._store.write(lambda session: session.run_many(statements.take_back, values))

    def standing(self, unit: Unit) -> Standing:
        """What earlier attempts did to this unit; nothing is written.

        Raises:
            AlreadyProvisionedError, UnitRejectedError: it has had its turn.
        """
        return attempts.standing(
            unit, *self._store.read(lambda session: attempts.look(session, unit))
        )
