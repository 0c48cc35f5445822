"""A vendor's library as a :class:`kfasync.contracts.sources.Source`.

The library has a pool of its own, and the station's ledger is told what comes out of it before
a card is: content that the ledger knows to be somebody else's is refused, whatever the library
says. So an end that the library never hears of is harmless. It leaves the content leased to
its unit over there, and no other unit gets it. The same goes for a lease that is refused here:
it is not ended, and when its unit is placed again it comes again.
"""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import anyio.to_thread
import msgspec

from kfasync.contracts.crypto import Vault
from kfasync.contracts.sources import Register
from kfasync.errors import ProviderError, SourceError, UnitError
from kfasync.model import Lease, Outcome, Touched, Unit
from kfasync.secret import Secret
from kfasync.sources.provider.abi import Result
from kfasync.sources.provider.context import PoolCounts
from kfasync.sources.provider.host import DEADLINE_S, SEATS, ProviderHost
from kfasync.sources.provider.library import LibraryFacts

# An end that breaks the library is told so often, and then not before the close: it costs the
# lease after it a new process, or the whole deadline.
BREAKS_MAX = 2


class ProviderSource:
    """Leases what a library leases, and tells it of the end."""

    def __init__(self, host: ProviderHost, register: Register, vault: Vault) -> None:
        self._host = host
        self._register = register
        self._vault = vault
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}  # the library's name of each lease that is open here
        self._owed: list[_Owed] = []

    @classmethod
    def open(
        cls,
        library: Path,
        sha256: str,
        config: Mapping[str, Any],
        register: Register,
        vault: Vault,
        *,
        deadline_s: float = DEADLINE_S,
        seats: int = SEATS,
        in_process: bool = False,
        lock_memory: bool = True,
    ) -> Self:
        """Load a library and open it; blocks.

        Args:
            sha256: of the library's file, 64 hex digits.
            config: what the library gets as JSON; its vendor says what it may hold.
            deadline_s: of every call of the library.
            seats: how many calls it may have at a time, if its threading allows.

        Raises:
            SourceError: it is not the library that was pinned, or does not open.
        """
        host = ProviderHost.open(
            library,
            sha256,
            msgspec.json.encode(config),
            deadline_s=deadline_s,
            seats=seats,
            in_process=in_process,
            lock_memory=lock_memory,
        )
        return cls(host, register, vault)

    @property
    def facts(self) -> LibraryFacts:
        """Name, version and hash of the library, for the record."""
        return self._host.facts

    def counts(self) -> PoolCounts | None:
        """How much content the library has, if it counts; blocks.

        Raises:
            SourceError: it cannot say now.
        """
        return self._host.counts()

    async def lease(self, unit: Unit) -> Lease:
        """Content and keys from the library, entered in the ledger.

        Raises:
            SourceError: the library has none, breaks its rules, or has issued it twice.
            UnitError: the unit has had its turn, whatever the library says.
        """
        return await anyio.to_thread.run_sync(self._lease, unit)

    async def commit(self, lease: Lease, outcome: Outcome) -> None:
        """Forget the fob's secrets and tell the library; a library that is away hears later."""
        await anyio.to_thread.run_sync(
            self._end, lease, lambda name: self._host.commit(name, outcome)
        )

    async def abort(self, lease: Lease, touched: Touched) -> None:
        """Forget the fob's secrets and tell the library; a library that is away hears later."""
        await anyio.to_thread.run_sync(
            self._end, lease, lambda name: self._host.abort(name, touched)
        )

    def close(self) -> None:
        """Tell what is owed, and let the library close; blocks. May be called again."""
        self._pay(at_the_end=True)
        self._host.close()

    # ------------------------------------------------------------------ in a worker thread

    def _lease(self, unit: Unit) -> Lease:
        self._pay()
        try:
            slip, parcel = self._host.lease(unit, self._vault)
        except ProviderError as error:
            if error.code == Result.UNIT:
                raise UnitError(str(error)) from error
            raise
        # What ttl_ms counts began a moment ago, when the call returned over there.
        received_s = time.monotonic()
        # Not the library's own name, which is the same for the same unit: with a new one every
        # time, a lease that was taken over by another attempt is an old one in the ledger.
        lease_id = uuid.uuid4().hex
        try:
            self._register.adopt(unit, lease_id, parcel.content)
        except BaseException:
            parcel.wipe()
            raise
        with self._lock:
            self._names = {
                ours: name for ours, name in self._names.items() if name != slip.lease_id
            }
            self._names[lease_id] = slip.lease_id
        return Lease(
            lease_id=lease_id,
            unit=unit,
            content=parcel.content,
            keys=parcel.keys,
            items=parcel.items,
            expires_at_s=received_s + slip.ttl_ms / 1000 if slip.ttl_ms else None,
            issuer_checked=parcel.issuer_checked,
        )

    def _end(self, lease: Lease, tell: Callable[[str], None]) -> None:
        for secret in (lease.keys.enc, lease.keys.mac, lease.keys.dek):
            secret.wipe()
        for item in lease.items:
            if isinstance(item.value, Secret):
                item.value.wipe()
        with self._lock:
            name = self._names.pop(lease.lease_id, None)
            if name is None:
                return  # it has been told, or another attempt on this unit holds the lease now
            self._owed.append(_Owed(lambda: tell(name)))
        self._pay()

    def _pay(self, *, at_the_end: bool = False) -> None:
        """Tell the library every end that it has not heard of, as far as it can be reached.

        The ledger has them all, and a fob is what the ledger says: so no error comes of this.
        """
        with self._lock:
            due, self._owed = self._owed, []
        left: list[_Owed] = []
        away = False
        for owed in due:
            if away or (owed.broke_it >= BREAKS_MAX and not at_the_end):
                left.append(owed)
                continue
            try:
                owed.tell()
            except ProviderError as error:
                if error.code is None:
                    owed.broke_it += 1
                    left.append(owed)
                # Otherwise it is refused for good, and would be refused again.
            except SourceError:
                away = True
                left.append(owed)
        with self._lock:
            self._owed = left + self._owed


class _Owed:
    """An end that the library has not heard of."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self.tell = tell
        self.broke_it = 0
