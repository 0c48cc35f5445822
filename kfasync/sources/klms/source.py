"""A key server as a :class:`kfasync.contracts.sources.Source`.

    fetch   journal -> POST /v1/leases -> seal opened into the vault -> everything checked
    adopt   journal and ledger: from here on the ledger answers for the lease
    tell    POST /v1/outcomes, up to 100 ends at a time

Whatever is asked for is in the journal before it is asked for. What comes back and is not used,
because it is wrong, late or nobody's, is handed back: abort, touched none.
"""

import datetime
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio.to_thread
import msgspec

from kfasync.contracts.crypto import CryptoPath
from kfasync.contracts.klms import (
    VERSION,
    Outcomes,
    ProblemDetails,
)
from kfasync.contracts.klms import End as WireEnd
from kfasync.contracts.klms_problems import Problem
from kfasync.contracts.sources import End, EndKind, Parcel, Register, SourceFacts
from kfasync.errors import (
    KfError,
    KlmsError,
    LeaseExpiredError,
    LedgerError,
    SourceError,
    SourceUnavailableError,
    TrustError,
)
from kfasync.model import Lease, Unit
from kfasync.sources.fingerprint import fingerprint
from kfasync.sources.klms.breaker import Breaker
from kfasync.sources.klms.client import TRY_S, Client, Granted
from kfasync.sources.klms.content import open_offer, read_offer
from kfasync.sources.klms.credentials import Files
from kfasync.sources.klms.journal import Fetch, FetchJournal
from kfasync.sources.klms.link import Link
from kfasync.sources.klms.pending import Pending
from kfasync.sources.klms.refusal import problem_error
from kfasync.sources.klms.seal import RecipientKey
from kfasync.sources.klms.warnings import AWAY, CERTIFICATES, Warnings

DEADLINE_S = 10.0  # for a lease with all its tries
WRITE_S = 2.0  # what a fob takes to be written, with some reserve: 0.6 s over NFC
LEFT_S = 60.0  # a fob that has waited for that long is asked for anew
LEASES_MAX = 3  # asked for in a row, each of which came too late

# Of a key that an earlier request had: the unit gets a new one.
_STALE = frozenset((Problem.LEASE_ENDED.code, Problem.IDEMPOTENCY_KEY_REUSED.code))


class _Fetched(Parcel, frozen=True):
    """A parcel of this source, with what adopting it needs."""

    key: str = ""
    point: bytes = b""


class KlmsSource:
    """Leases from a key server, and tells it of the end.

    Args:
        url: of the server, ``https`` and no path.
        files: of TLS; the certificate names the station.
        directory: for the fetch journal; held by the ledger's lock.
        ttl_s: what is asked for, whatever a fetch would like; None leaves it to both.
        deadline_s: for one fetch with all its tries.
        write_s: what a lease has to be good for when it arrives, in seconds.
        tell: told of what an operator should know: the topic, and a sentence or "".
    """

    def __init__(
        self,
        url: str,
        files: Files,
        station: str,
        directory: Path,
        register: Register,
        path: CryptoPath,
        *,
        ttl_s: int | None = None,
        deadline_s: float = DEADLINE_S,
        write_s: Callable[[], float] = lambda: WRITE_S,
        tell: Callable[[str, str], None] = lambda topic, sentence: None,
    ) -> None:
        self._url = url
        self._files = files
        self._station = station
        self._directory = directory
        self._register = register
        self._path = path
        self._ttl_s = ttl_s
        self._deadline_s = deadline_s
        self._write_s = write_s
        self._warnings = Warnings(tell)
        self._opened: _Opened | None = None
        self._unadopted: dict[str, str] = {}  # key of each lease that the ledger does not have

    async def open(self) -> None:
        """Read certificates and journal, and hand back what an earlier run left behind.

        A server that is away is no error here: it is waited for when there is a fob.

        Raises:
            TrustError: certificate, key or CA cannot be used.
            LedgerError: the journal cannot be written.
        """
        warnings = self._warnings
        link = Link(self._url, self._station, self._files, lambda s: warnings.set(CERTIFICATES, s))
        try:
            journal = await anyio.to_thread.run_sync(FetchJournal.open, self._directory)
        except KfError:
            link.close()
            raise
        client = Client(self._url, link, Breaker(lambda reason: warnings.set(AWAY, reason)))
        pending = Pending(journal, client, self._station, lambda: str(uuid.uuid4()))
        self._opened = _Opened(link, client, journal, pending)
        await pending.hand_back_all(time.monotonic() + TRY_S)

    async def close(self) -> None:
        """Close connections and journal; may be called again."""
        if self._opened is not None:
            self._opened.link.close()
            self._opened.journal.close()

    @property
    def facts(self) -> SourceFacts:
        """Which server, for the record."""
        return SourceFacts("klms", f"klms:{self._url}", self._url, VERSION, None, remote=True)

    async def fetch(self, unit: Unit, *, ttl_s: int | None = None) -> Parcel:
        """Content and keys from the server, opened and checked.

        Raises:
            SourceUnavailableError: the server is away, and the time is over.
            LeaseExpiredError: leases come, and come too late.
            TrustError, KlmsError: one side does not accept the other, or what it says.
            UnitError: the unit has had its turn, by the server's books.
            LedgerError: the journal cannot be written.
        """
        until_s = time.monotonic() + self._deadline_s
        pending = self._parts.pending
        for _ in range(LEASES_MAX):
            fetch, new = await pending.begin(unit)
            recipient = RecipientKey()
            try:
                granted = await pending.ask(
                    fetch, recipient, until_s, atr=unit.atr, ttl_s=self._ttl_s or ttl_s
                )
            except KlmsError as error:
                if error.code in _STALE and not new:
                    continue
                raise
            try:
                return self._parcel(fetch, unit, recipient, granted)
            except LeaseExpiredError:
                await pending.hand_back(fetch, granted.body, until_s)
            except KfError:
                await pending.hand_back(fetch, granted.body, until_s)
                raise
        raise LeaseExpiredError(
            f"key server {self._url}: {LEASES_MAX} leases in a row had less than "
            f"{self._write_s():.1f} s left when they arrived; have ttl_s and the network checked"
        )

    def adopt(self, parcel: Parcel) -> Lease:
        """Enter what the server has leased in the ledger; blocks.

        Raises:
            SourceError: the server has issued it twice.
            UnitError: the unit has had its turn, whatever the server says.
            LedgerError: journal or ledger cannot be written.
        """
        if not isinstance(parcel, _Fetched) or parcel.lease is None:
            raise ValueError("a parcel of another source")
        lease = msgspec.structs.replace(parcel.lease, fence=uuid.uuid4().hex)
        try:
            self._register.adopt(
                lease.unit,
                lease.fence,
                lease.content,
                fingerprint(parcel.point, lease.items, self._register.digest_key),
                pool=self.facts.pool,
                lease_id=lease.lease_id,
            )
        except LedgerError:
            # Its end cannot be written down either, so no outbox will tell it.
            self._parts.pending.give_up(parcel.key, lease.lease_id)
            raise
        # After the ledger, so that a process that is killed in between leaves the lease to one of
        # the two; and on the disk before it is burned, for what is burned is not to be handed back.
        self._parts.journal.finish(parcel.key)
        self._unadopted.pop(lease.lease_id, None)
        return lease

    async def tell(self, ends: Sequence[End]) -> Sequence[SourceError | None]:
        """Tell the server of up to 100 ends in one request.

        Raises:
            SourceUnavailableError: the server is away, or one side does not accept the other: the
                ends are facts, and are told when that is mended.
        """
        until_s = time.monotonic() + TRY_S
        try:
            answer = await self._parts.client.outcomes(
                Outcomes(tuple(_on_the_wire(end) for end in ends)), until_s
            )
        except (TrustError, KlmsError) as error:
            raise SourceUnavailableError(str(error)) from error
        for end in ends:
            # Fetched and never adopted, for the attempt had ended by then: now it is over.
            if (key := self._unadopted.pop(end.lease_id, None)) is not None:
                await anyio.to_thread.run_sync(self._parts.journal.finish, key)
        await self._parts.pending.hand_back_all(until_s, older_than_s=LEFT_S)
        return [None if one.problem is None else self._refused(one.problem) for one in answer.ends]

    # ------------------------------------------------------------------------------ a lease

    @property
    def _parts(self) -> "_Opened":
        if self._opened is None:
            raise ValueError("the source is not open")
        return self._opened

    def _parcel(
        self, fetch: Fetch, unit: Unit, recipient: RecipientKey, granted: Granted
    ) -> _Fetched:
        """Read, check and open an answer; everything but the keys first."""
        offer = read_offer(self._url, granted.body, unit.uid)
        answer = offer.answer
        self._warnings.compare_clocks(answer.server_time, datetime.datetime.now(datetime.UTC))
        expires_at_s = granted.sent_s + answer.ttl_s
        if expires_at_s - time.monotonic() < self._write_s():
            raise LeaseExpiredError("too little of the lease is left")
        opened = open_offer(self._url, offer, recipient, unit.uid, self._station, self._path)
        lease = Lease(
            lease_id=answer.lease_id,
            unit=unit,
            content=opened.content,
            keys=opened.keys,
            items=opened.items,
            secrets=opened.secrets,
            expires_at_s=expires_at_s,
        )
        self._unadopted[lease.lease_id] = fetch.key
        return _Fetched(unit, lease, fetch.key, opened.point)

    def _refused(self, problem: ProblemDetails) -> SourceError:
        """Why one end was not taken."""
        error = problem_error(self._url, problem)
        if problem.retryable or not isinstance(error, SourceError):
            return SourceUnavailableError(str(error))
        return error


class _Opened(msgspec.Struct, frozen=True):
    """What an open source has."""

    link: Link
    client: Client
    journal: FetchJournal
    pending: Pending


def _on_the_wire(end: End) -> WireEnd:
    return WireEnd(
        lease_id=end.lease_id,
        end="commit" if end.kind is EndKind.COMMIT else "abort",
        outcome=end.outcome.value,
        touched=end.touched.value,
        record_hash=end.record_sha256.upper() or None,
    )
