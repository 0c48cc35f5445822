"""What a station asks of its source while it runs, and when: one entry for every request.

Sources that behave as those they are put around. The time of a request is what the station waits
for it, on the monotonic clock.
"""

import time
from collections.abc import Sequence

import anyio
import msgspec

from kfasync.contracts.sources import End, Parcel, Source, SourceFacts
from kfasync.errors import SourceError
from kfasync.model import Lease, Unit


class Request(msgspec.Struct, frozen=True):
    """One request; ``uids`` are those of the fobs that it is about, as hex."""

    is_lease: bool
    uids: tuple[str, ...]
    began_s: float
    ended_s: float


class MeteredSource:
    """A source that keeps count; implements `kfasync.contracts.sources.Source`.

    Attributes:
        requests: those that have ended, in the order of their ends.
    """

    def __init__(self, source: Source) -> None:
        self.requests: list[Request] = []
        self._source = source

    @property
    def facts(self) -> SourceFacts:
        """What the source is."""
        return self._source.facts

    async def open(self) -> None:
        """Get hold of what the source needs."""
        await self._source.open()

    async def close(self) -> None:
        """Let go of it."""
        await self._source.close()

    async def fetch(self, unit: Unit, *, ttl_s: int | None = None) -> Parcel:
        """The slow part, on the clock."""
        began_s = time.monotonic()
        parcel = await self._source.fetch(unit, ttl_s=ttl_s)
        self._took(True, (unit.uid.hex().upper(),), began_s)
        return parcel

    def adopt(self, parcel: Parcel) -> Lease:
        """Enter a parcel in the ledger."""
        return self._source.adopt(parcel)

    async def tell(self, ends: Sequence[End]) -> Sequence[SourceError | None]:
        """Tell of ends, on the clock."""
        began_s = time.monotonic()
        became = await self._source.tell(ends)
        self._took(False, tuple(end.uid.hex().upper() for end in ends), began_s)
        return became

    def _took(self, is_lease: bool, uids: tuple[str, ...], began_s: float) -> None:
        self.requests.append(Request(is_lease, uids, began_s, time.monotonic()))


class StubSource:
    """Containers that take as long as a key server, without its TLS and its cryptography.

    Implements `kfasync.contracts.sources.Source`. What it costs is the station's own part of a
    remote source: asking, waiting, the outbox and its sender.

    Args:
        lease_s, ends_s: how long each request of the kind takes.
    """

    def __init__(self, source: Source, lease_s: float, ends_s: float) -> None:
        self._source = source
        self._lease_s = lease_s
        self._ends_s = ends_s

    @property
    def facts(self) -> SourceFacts:
        """Those of the containers, but far away."""
        return msgspec.structs.replace(self._source.facts, kind="stub", remote=True)

    async def open(self) -> None:
        """Get hold of the containers."""
        await self._source.open()

    async def close(self) -> None:
        """Let go of them."""
        await self._source.close()

    async def fetch(self, unit: Unit, *, ttl_s: int | None = None) -> Parcel:
        """Nothing, and it takes its time."""
        await anyio.sleep(self._lease_s)
        return await self._source.fetch(unit, ttl_s=ttl_s)

    def adopt(self, parcel: Parcel) -> Lease:
        """A container."""
        return self._source.adopt(parcel)

    async def tell(self, ends: Sequence[End]) -> Sequence[SourceError | None]:
        """Heard, after a while."""
        await anyio.sleep(self._ends_s)
        return [None] * len(ends)
