"""A vendor's library as a :class:`kfasync.contracts.sources.Source`.

The library has a pool of its own, and the station's ledger is told what comes out of it before
a card is: content that the ledger knows to be somebody else's is refused, whatever the library
says. So an end that the library never hears of is harmless. It leaves the content leased to
its unit over there, and no other unit gets it.
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio.to_thread
import msgspec

from kfasync.contracts.crypto import Vault
from kfasync.contracts.sources import End, EndKind, Parcel, Register, SourceFacts
from kfasync.core.dgi import Dgi
from kfasync.errors import ProviderError, SourceError, SourceUnavailableError, UnitError
from kfasync.model import Fingerprint, Lease, Unit
from kfasync.secret import Secret
from kfasync.sources.device import require_device_certificate
from kfasync.sources.fingerprint import fingerprint, public_point
from kfasync.sources.provider.abi import Result, breach
from kfasync.sources.provider.context import PoolCounts
from kfasync.sources.provider.host import DEADLINE_S, SEATS, ProviderHost

# Each end that breaks the library costs the calls beside it a new process, or the whole deadline.
BREAKS_MAX = 3


class ProviderSource:
    """Leases what a library leases, and tells it of the end.

    Args:
        library: an absolute path.
        sha256: of the library's file, 64 hex digits.
        config: what the library gets as JSON; its vendor says what it may hold.
        deadline_s: of every call of the library.
        seats: how many calls it may have at a time, if its threading allows.
    """

    def __init__(
        self,
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
    ) -> None:
        self._library = library
        self._sha256 = sha256
        self._config = msgspec.json.encode(config)
        self._register = register
        self._vault = vault
        self._deadline_s = deadline_s
        self._seats = seats
        self._in_process = in_process
        self._lock_memory = lock_memory
        self._opened: ProviderHost | None = None

    async def open(self) -> None:
        """Load the library and open it.

        Raises:
            SourceError: it is not the library that was pinned, or does not open.
        """
        self._opened = await anyio.to_thread.run_sync(self._open)

    async def close(self) -> None:
        """Let the library close; may be called again."""
        if self._opened is not None:
            await anyio.to_thread.run_sync(self._opened.close)

    @property
    def facts(self) -> SourceFacts:
        """Name, version and hash of the library, for the record."""
        facts = self._host.facts
        # By its name and not by its hash: an updated library keeps the pool of the one before.
        return SourceFacts(
            "provider", f"provider:{facts.name}", facts.name, facts.version, facts.sha256, True
        )

    def counts(self) -> PoolCounts | None:
        """How much content the library has, if it counts; blocks.

        Raises:
            SourceError: it cannot say now.
        """
        return self._host.counts()

    async def fetch(self, unit: Unit, *, ttl_s: int | None = None) -> Parcel:
        """Content and keys from the library, which says itself how long they are good for.

        Raises:
            SourceError: the library has none, or breaks its rules.
            UnitError: the library says that the unit has had its turn.
        """
        return await anyio.to_thread.run_sync(self._fetch, unit)

    def adopt(self, parcel: Parcel) -> Lease:
        """Enter what the library has leased in the ledger.

        Raises:
            SourceError: the library has issued it twice.
            UnitError: the unit has had its turn, whatever the library says.
        """
        if parcel.lease is None:
            raise ValueError("a parcel of another source")
        lease = msgspec.structs.replace(parcel.lease, fence=uuid.uuid4().hex)
        self._register.adopt(
            lease.unit,
            lease.fence,
            lease.content,
            self._fingerprint(lease),
            pool=self.facts.pool,
            lease_id=lease.lease_id,
        )
        return lease

    def _fingerprint(self, lease: Lease) -> Fingerprint:
        (scalar,) = (
            item.value
            for item in lease.items
            if item.dgi == Dgi.PRIVATE_KEY and isinstance(item.value, Secret)
        )
        fesn = lease.content.fesn
        try:
            point = public_point(scalar, self._vault)
        except ValueError as error:
            what = f"leased {fesn} with a scalar that is none of P-256"
            raise breach(self._host.facts.name, what) from error
        certificates = [
            item.value
            for item in lease.items
            if item.dgi == Dgi.DEVICE_CERTIFICATE and isinstance(item.value, bytes)
        ]
        try:
            # Not that of another fob: none, or a second one, is none of this fob's either.
            require_device_certificate(b"".join(certificates), fesn, point)
        except ValueError as error:
            what = f"leased {fesn} with {error}"
            raise breach(self._host.facts.name, what) from error
        return fingerprint(point, lease.items, self._register.digest_key)

    async def tell(self, ends: Sequence[End]) -> Sequence[SourceError | None]:
        """Tell the library, one end after the other; it may be told twice.

        Raises:
            SourceUnavailableError: the library is away, and none of the ends was heard.
        """
        return await anyio.to_thread.run_sync(self._tell, ends)

    # ------------------------------------------------------------------ in a worker thread

    @property
    def _host(self) -> ProviderHost:
        if self._opened is None:
            raise ValueError("the source is not open")
        return self._opened

    def _open(self) -> ProviderHost:
        return ProviderHost.open(
            self._library,
            self._sha256,
            self._config,
            deadline_s=self._deadline_s,
            seats=self._seats,
            in_process=self._in_process,
            lock_memory=self._lock_memory,
        )

    def _fetch(self, unit: Unit) -> Parcel:
        try:
            slip, unpacked = self._host.lease(unit, self._vault)
        except ProviderError as error:
            if error.code == Result.UNIT:
                raise UnitError(str(error)) from error
            raise
        # What ttl_ms counts began a moment ago, when the call returned over there.
        received_s = time.monotonic()
        lease = Lease(
            lease_id=slip.lease_id,
            unit=unit,
            content=unpacked.content,
            keys=unpacked.keys,
            items=unpacked.items,
            secrets=unpacked.secrets,
            expires_at_s=received_s + slip.ttl_ms / 1000 if slip.ttl_ms else None,
            issuer_checked=unpacked.issuer_checked,
        )
        return Parcel(unit, lease)

    def _tell(self, ends: Sequence[End]) -> list[SourceError | None]:
        answers: list[SourceError | None] = []
        broken = 0
        for end in ends:
            if broken == BREAKS_MAX:
                answers.append(SourceUnavailableError("the library broke at the ends before"))
                continue
            try:
                if end.kind is EndKind.COMMIT:
                    self._host.commit(end.lease_id, end.outcome)
                else:
                    self._host.abort(end.lease_id, end.touched)
                answers.append(None)
            except SourceUnavailableError as error:
                if not answers:
                    raise
                answers += [error] * (len(ends) - len(answers))
                break
            except ProviderError as error:
                # Without a result it crashed, hung or lied, and what it has heard nobody knows.
                unheard = error.code is None
                broken += unheard
                answers.append(SourceUnavailableError(str(error)) if unheard else error)
        return answers
