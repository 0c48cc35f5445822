"""What a person decides of a fob or a lane; every decision is a record."""

import enum
import uuid

from anyio import to_thread

from kfasync import __version__
from kfasync.audit.record import LaneDecision, Resolution, now
from kfasync.errors import LedgerError
from kfasync.ledger.ledger import Ledger
from kfasync.model import Unit
from kfasync.station.desk import Desk


class ResolvedAs(enum.Enum):
    """What a person may decide of a fob in doubt."""

    RECOVERABLE = "recoverable"
    FAIL = "fail"


def resolve(
    ledger: Ledger, station: str, uid: str, resolved_as: ResolvedAs, reason: str
) -> list[Resolution]:
    """Decide what becomes of a fob whose end nobody knows; blocks.

    Args:
        uid: in hex, in any case.

    Raises:
        LedgerError: it is not unfinished, or only bound and to be placed again.
    """
    found = [one for one in ledger.unfinished() if one.uid == uid.upper()]
    if not found:
        raise LedgerError(f"fob {uid.upper()} is not unfinished; see `kfasync ledger status`")
    records = []
    for one in found:
        if resolved_as is ResolvedAs.RECOVERABLE and not one.last_sent:
            raise LedgerError(
                f"fob {one.uid} is bound and not in doubt: place it again, and it is finished"
            )
        record = Resolution(
            attempt=uuid.uuid4().hex,
            station=station,
            software=__version__,
            finished=now(),
            uid=one.uid,
            profile=one.profile,
            fesn=one.content.fesn,
            spid=one.content.spid,
            resolved_as=resolved_as.value,
            message=reason,
        )
        recoverable = resolved_as is ResolvedAs.RECOVERABLE
        ledger.resolve(one, record.attempt, record.json(), recoverable=recoverable)
        records.append(record)
    return records


class Decisions:
    """Decisions at a station that runs; on its event loop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def resolve(self, uid: str, resolved_as: ResolvedAs, reason: str) -> None:
        """Decide what becomes of a fob whose end nobody knows.

        Raises:
            LedgerError: see :func:`resolve`.
            UnitError: the fob is being worked on at this moment.
        """
        desk = self._desk
        try:
            raw = bytes.fromhex(uid)
        except ValueError:
            raise LedgerError("a UID is hex digits") from None
        unit = Unit(raw, raw, b"", bytes.fromhex(desk.profile.aid), "")
        # Held, so that no lane begins with it meanwhile.
        with desk.roster.working_on(unit, "of a person who decides"):
            await desk.sender.quiet(unit.uid)  # an end that is on its way is told, or not yet
            await to_thread.run_sync(resolve, desk.ledger, desk.station, uid, resolved_as, reason)
        self._wake()

    async def of_lane(self, slot: int, reader: str, what: str, by: str, reason: str) -> None:
        """Write down that a lane was ``resumed``, or its result ``acknowledged``."""
        record = LaneDecision(
            attempt=uuid.uuid4().hex,
            station=self._desk.station,
            software=__version__,
            finished=now(),
            slot=slot,
            reader=reader,
            disposition=what,
            by=by,
            message=reason,
        )
        await to_thread.run_sync(
            self._desk.ledger.note, record.attempt, record.disposition, record.json()
        )
        self._wake()

    def _wake(self) -> None:
        for follower in self._desk.followers:
            follower.wake()
