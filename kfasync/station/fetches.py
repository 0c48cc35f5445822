"""Leases that no attempt has taken yet: asked for while the card is talked to, or before it comes.

    ask, ask_ahead -> on its way -> here -> take                     the attempt's from then on
                            |         |---> leave                    the attempt has ended first
                            |         `---> drop                     the fob does not come
                            `-> left: handed back when it comes

What a source takes to answer is hidden behind the commands that need no content, or behind other
fobs. What nobody takes is wiped and handed back, and the ledger never hears of it as content. Until
then the unit stays on the roster, so that no end of it is told in between, and an attempt on the
unit gets the lease that is here or still on its way.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress

import anyio
import msgspec
from anyio import to_thread
from anyio.abc import TaskGroup, TaskStatus

from kfasync.contracts.sources import End, EndKind, Parcel, Source
from kfasync.errors import (
    KfError,
    LeaseExpiredError,
    SourceError,
    SourceUnavailableError,
)
from kfasync.model import Lease, Outcome, Touched, Unit
from kfasync.station.roster import Roster
from kfasync.station.sender import Sender
from kfasync.station.writetime import WriteTime

LEASES_MAX = 3  # asked for in a row, each of which came too late
# SELECT and INITIALIZE UPDATE of a unit in doubt come after its lease: 38 ms over NFC.
SESSION_S = 0.25


class Fetch:
    """One unit's lease, on its way or here; all of it on the event loop.

    Attributes:
        ahead: whom to tell that it has come or has failed, while it is nobody's yet; None of one
            that an attempt has asked for.
        wanted: an attempt is there that takes or leaves it.
        record_sha256: of the attempt that has left it, for its end.
        came_at_s: on the clock of the fetches; before, in the far past.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.ahead: Callable[[Fetch], None] | None = None
        self.wanted = False
        self.record_sha256 = ""
        self.came_at_s = -math.inf
        self.done = anyio.Event()
        self.parcel: Parcel | None = None
        self.error: Exception | None = None

    @property
    def secrets(self) -> int:
        """How many secrets came with it, each in a place of its own in the vault."""
        lease = _lease(self)
        return len(lease.secrets) if lease is not None else 0

    @property
    def expires_at_s(self) -> float:
        """When it runs out, on the same clock; never where the source knows no end."""
        lease = _lease(self)
        if lease is None or lease.expires_at_s is None:
            return math.inf
        return lease.expires_at_s


class Fetches:
    """The fetches of one station, which run beside its lanes.

    Args:
        write_time: what a lease has to be good for when it is taken.
        hand_back: enters the end of a lease that nobody took; blocks.
        handed_back: told that it is entered, on the event loop.
        clock: seconds; the one that leases run out by.

    Attributes:
        on_ask: told of every unit that an attempt asks for, before it is given anything.
        on_ahead: told of every lease that was fetched ahead and has come, whoever takes it.
        on_empty: asked when a fob finds the pool empty; whether content that was fetched ahead is
            on its way back there.
        renewed: leases that had too little left when they were to be used, and were fetched anew.
    """

    def __init__(
        self,
        source: Source,
        sender: Sender,
        roster: Roster,
        write_time: WriteTime,
        hand_back: Callable[[End], None],
        handed_back: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._sender = sender
        self._roster = roster
        self._write_time = write_time
        self._hand_back = hand_back
        self._handed_back = handed_back
        self._clock = clock
        self._tasks: TaskGroup | None = None
        self._all: dict[tuple[bytes, bytes], Fetch] = {}
        self._returning: dict[tuple[bytes, bytes], anyio.Event] = {}
        self.on_ask: Callable[[Unit], None] = lambda unit: None
        self.on_ahead: Callable[[Fetch], None] = lambda fetch: None
        self.on_empty: Callable[[], bool] = lambda: False
        self.renewed = 0

    @property
    def remote(self) -> bool:
        """Whether there is anything to fetch."""
        return self._source.facts.remote

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Be there for fetches until cancelled; then hand back what no attempt wants."""
        try:
            async with anyio.create_task_group() as self._tasks:
                task_status.started()
                try:
                    await anyio.sleep_forever()
                finally:
                    # Before the group ends, for it takes no task in the middle of that.
                    self._tasks = None
        finally:
            with anyio.CancelScope(shield=True):
                for fetch in [one for one in self._all.values() if not one.wanted]:
                    self._let_go(fetch)
                    await self._return(fetch)

    # ------------------------------------------------------------------ for an attempt

    def ask(self, unit: Unit) -> Fetch | None:
        """Begin to fetch a lease for a unit that is on the roster, and do not wait for it.

        One that is on its way, or was fetched ahead, is this one. None where there is no sense in
        that: the source is not remote, or the station at its end.
        """
        if self._tasks is None or not self.remote:
            return None
        self.on_ask(unit)
        fetch = self._all.get(_key(unit))
        if fetch is not None and fetch.done.is_set() and not self._is_good(fetch.expires_at_s):
            self.renewed += 1
            self.drop(fetch)
            fetch = None
        if fetch is None:
            fetch = self._begin(unit, None)
        fetch.wanted, fetch.record_sha256 = True, ""
        fetch.unit = unit  # one that was announced has said less of itself
        fetch.ahead = None
        return fetch

    async def take(self, unit: Unit, fetch: Fetch | None = None) -> Parcel:
        """A lease of a unit that is on the roster, good for writing it; the caller's from then on.

        Args:
            fetch: what :meth:`ask` has given for this unit, if it was asked.

        Raises:
            SourceError, UnitError: as the source said.
            SourceUnavailableError: also when the content that is left was fetched ahead for others,
                and one of them gives way.
            LeaseExpiredError: all that came had too little time left.
        """
        # Shielded: a lease that was asked for is waited for, and given back before the next
        # command. On asyncio anyio never tells a task that begins in a scope cancelled before
        # it, and its checkpoints spin for ever.
        with anyio.CancelScope(shield=True):
            for _ in range(LEASES_MAX):
                fetch = fetch or self.ask(unit)
                if fetch is None:
                    fetch = Fetch(unit)
                    await self._ask_source(fetch, None)
                else:
                    await fetch.done.wait()
                    self._forget(fetch)
                if fetch.error is not None:
                    empty = isinstance(fetch.error, SourceError) and fetch.error.pool_empty
                    if empty and self.on_empty():
                        raise SourceUnavailableError(
                            f"{fetch.error} What was fetched for a fob to come is handed back for "
                            "this one"
                        ) from fetch.error
                    raise fetch.error
                if self._is_good(fetch.expires_at_s):
                    return _of_unit(fetch.parcel, unit)
                self.renewed += 1
                self._let_go(fetch)
                await self._return(fetch)
                fetch = None
        raise LeaseExpiredError(
            f"{LEASES_MAX} leases in a row had less than the {self._write_time.p99_s:.1f} s left "
            "that a fob takes to be written; have their time to live checked"
        )

    def leave(self, fetch: Fetch, record_sha256: str) -> Lease | None:
        """The attempt has ended without taking it: the lease if it is here, and else None.

        A lease that comes later is handed back and wiped.
        """
        fetch.wanted, fetch.record_sha256 = False, record_sha256
        if not fetch.done.is_set():
            return None
        self._forget(fetch)
        return _lease(fetch)

    # ------------------------------------------------------------------ for a fob to come

    def ask_ahead(self, unit: Unit, ttl_s: int, told: Callable[[Fetch], None]) -> Fetch | None:
        """Begin to fetch a lease for a fob that has not come yet.

        None when a lane works on the unit at this moment, or nothing can be fetched.

        Args:
            ttl_s: how long it should be good for.
            told: see :attr:`Fetch.ahead`.
        """
        fetch = self._all.get(_key(unit))
        if self._tasks is None or not self.remote or self._roster.is_held(unit):
            return None
        if fetch is None:
            fetch = self._begin(unit, ttl_s)
        fetch.ahead = told  # also one that an attempt has left
        return fetch

    def drop(self, fetch: Fetch) -> None:
        """Its fob does not come, or not in time: wiped now, and handed back."""
        fetch.ahead = None
        if fetch.done.is_set() and self._tasks is not None:
            self._let_go(fetch)
            self._tasks.start_soon(self._return, fetch)
        # else who brings it, or ends the station, hands it back

    # ------------------------------------------------------------------ the fetch itself

    def _begin(self, unit: Unit, ttl_s: int | None) -> Fetch:
        assert self._tasks is not None
        fetch = self._all[_key(unit)] = Fetch(unit)
        self._roster.expect(unit)
        self._tasks.start_soon(self._fetch, fetch, ttl_s)
        return fetch

    async def _fetch(self, fetch: Fetch, ttl_s: int | None) -> None:
        # Shielded: what was asked for comes, and somebody has to hand it back.
        with anyio.CancelScope(shield=True):
            await self._ask_source(fetch, ttl_s)
            if ttl_s is not None and fetch.error is None:
                self.on_ahead(fetch)
            if fetch.wanted or (fetch.ahead is not None and fetch.error is None):
                fetch.done.set()
            else:
                self._let_go(fetch)
                fetch.done.set()
                await self._return(fetch)
            if fetch.ahead is not None:
                fetch.ahead(fetch)

    async def _ask_source(self, fetch: Fetch, ttl_s: int | None) -> None:
        unit = fetch.unit
        try:
            while (returning := self._returning.get(_key(unit))) is not None:
                await returning.wait()
            await self._sender.quiet(unit.uid)
            if ttl_s is None:
                fetch.parcel = await self._source.fetch(unit)
            else:
                fetch.parcel = await self._source.fetch(unit, ttl_s=ttl_s)
            fetch.came_at_s = self._clock()
        except Exception as error:
            fetch.error = error  # the attempt's, who takes it

    def _is_good(self, expires_at_s: float) -> bool:
        return expires_at_s - self._clock() >= self._write_time.p99_s + SESSION_S

    def _forget(self, fetch: Fetch) -> None:
        """It is somebody's, and not here any more."""
        if self._all.get(_key(fetch.unit)) is fetch:
            del self._all[_key(fetch.unit)]
            self._roster.forget(fetch.unit)

    def _let_go(self, fetch: Fetch) -> None:
        """Nobody gets it any more; :meth:`_return` has to follow."""
        self._forget(fetch)
        if (lease := _lease(fetch)) is not None:
            for secret in lease.secrets:
                secret.wipe()
        # A new fetch for the unit waits until this one's end is written down: a source may give
        # the same lease again, and that one's end must not come after it was adopted.
        self._returning[_key(fetch.unit)] = anyio.Event()

    async def _return(self, fetch: Fetch) -> None:
        with anyio.CancelScope(shield=True):
            if (lease := _lease(fetch)) is not None:
                end = End(
                    uid=fetch.unit.uid,
                    lease_id=lease.lease_id,
                    kind=EndKind.ABORT,
                    outcome=Outcome.INCOMPLETE,
                    touched=Touched.NONE,
                    record_sha256=fetch.record_sha256,
                )
                # A ledger that cannot be written stops the lanes, and says so there. What is not
                # handed back now, the source hands back at its next start, or keeps for its unit.
                with suppress(KfError):
                    await to_thread.run_sync(self._hand_back, end)
            fetch.parcel = None  # who still knows the fetch must not keep its locked memory
            self._returning.pop(_key(fetch.unit)).set()
        self._handed_back()


def _key(unit: Unit) -> tuple[bytes, bytes]:
    return unit.uid, unit.aid


def _lease(fetch: Fetch) -> Lease | None:
    return fetch.parcel.lease if fetch.parcel is not None else None


def _of_unit(parcel: Parcel | None, unit: Unit) -> Parcel:
    assert parcel is not None  # it is done, and without an error
    lease = parcel.lease and msgspec.structs.replace(parcel.lease, unit=unit)
    return msgspec.structs.replace(parcel, unit=unit, lease=lease)
