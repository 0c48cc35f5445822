"""Leases that are asked for while the card is talked to.

What a source takes to answer is hidden behind the commands that need no content. A fetch that
outlives its attempt is not waited for: its lease is handed back when it comes, and the ledger never
hears of it as content. Until then the unit stays on the roster, so that no end of it is told in
between, and a new attempt on the unit gets the fetch that is still on its way.
"""

from collections.abc import Callable

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from kfasync.contracts.sources import End, EndKind, Parcel, Source
from kfasync.model import Lease, Outcome, Touched, Unit
from kfasync.station.roster import Roster
from kfasync.station.sender import Sender


class Fetch:
    """One unit's lease, on its way or here; all of it on the event loop.

    Attributes:
        record_sha256: of the attempt that has left it; empty while one wants it.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.record_sha256 = ""
        self.done = anyio.Event()
        self.parcel: Parcel | None = None
        self.error: Exception | None = None


class Fetches:
    """The fetches of one station, which run beside its lanes.

    Args:
        hand_back: enters the end of a lease that nobody took; blocks.
    """

    def __init__(
        self, source: Source, sender: Sender, roster: Roster, hand_back: Callable[[End], None]
    ) -> None:
        self._source = source
        self._sender = sender
        self._roster = roster
        self._hand_back = hand_back
        self._tasks: TaskGroup | None = None
        self._pending: dict[tuple[bytes, bytes], Fetch] = {}

    async def run(self) -> None:
        """Be there for fetches until cancelled; what is on its way then is waited for."""
        try:
            async with anyio.create_task_group() as self._tasks:
                await anyio.sleep_forever()
        finally:
            self._tasks = None

    def ask(self, unit: Unit) -> Fetch | None:
        """Begin to fetch a lease for a unit that is on the roster, and do not wait for it.

        None where there is no sense in that: the source is not remote, or the station at its end.
        """
        if self._tasks is None or not self._source.facts.remote:
            return None
        key = unit.uid, unit.aid
        fetch = self._pending.get(key)
        if fetch is None:
            fetch = self._pending[key] = Fetch(unit)
            self._roster.expect(unit)
            self._tasks.start_soon(self._fetch, fetch)
        fetch.record_sha256 = ""
        return fetch

    async def take(self, fetch: Fetch) -> Parcel:
        """Wait for a lease; from then on it is the caller's.

        Raises:
            SourceError, UnitError: as the source said.
        """
        # Shielded: a lease that was asked for is waited for, and given back before the next
        # command.
        with anyio.CancelScope(shield=True):
            await fetch.done.wait()
        return self._taken(fetch)

    def leave(self, fetch: Fetch, record_sha256: str) -> Lease | None:
        """The attempt has ended without taking it: the lease if it is here, and else None.

        A lease that comes later is handed back and wiped.
        """
        if not fetch.done.is_set():
            fetch.record_sha256 = record_sha256
            return None
        return fetch.parcel.lease if fetch.parcel is not None else None

    def _taken(self, fetch: Fetch) -> Parcel:
        if fetch.error is not None:
            raise fetch.error
        assert fetch.parcel is not None  # it is done
        return fetch.parcel

    async def _fetch(self, fetch: Fetch) -> None:
        # Shielded: what was asked for comes, and somebody has to hand it back.
        with anyio.CancelScope(shield=True):
            try:
                await self._sender.quiet(fetch.unit.uid)
                fetch.parcel = await self._source.fetch(fetch.unit)
            except Exception as error:
                fetch.error = error  # the attempt's, who takes it
            del self._pending[fetch.unit.uid, fetch.unit.aid]
            try:
                if fetch.record_sha256:
                    await self._return(fetch)
            finally:
                self._roster.forget(fetch.unit)
                fetch.done.set()

    async def _return(self, fetch: Fetch) -> None:
        lease = fetch.parcel.lease if fetch.parcel is not None else None
        if lease is None:
            return
        for secret in lease.secrets:
            secret.wipe()
        end = End(
            uid=fetch.unit.uid,
            lease_id=lease.lease_id,
            kind=EndKind.ABORT,
            outcome=Outcome.INCOMPLETE,
            touched=Touched.NONE,
            record_sha256=fetch.record_sha256,
        )
        await to_thread.run_sync(self._hand_back, end)
