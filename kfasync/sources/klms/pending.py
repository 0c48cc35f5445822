"""Lease requests whose end nobody knows yet: used again by their unit, or handed back.

A request is in the journal before it is sent. From there it goes on in one of three ways:

    adopted        the ledger answers for the lease
    left           nobody knows whether it was granted: the unit's next request has the same key
    handed back    granted and of no use: abort, touched none
"""

import time
from collections.abc import Callable

import anyio.to_thread
import msgspec

from kfasync.contracts.klms import SUITE, End, LeaseRequest, Outcomes, Recipient, UnitName
from kfasync.contracts.klms_problems import Problem
from kfasync.errors import KlmsError, SourceError, UnitError
from kfasync.model import Unit
from kfasync.sources.klms.client import Client, Granted
from kfasync.sources.klms.content import lease_id_of
from kfasync.sources.klms.journal import Fetch, FetchJournal
from kfasync.sources.klms.seal import RecipientKey

# The server's word that nothing was granted under this key. After any other trouble nobody knows.
_NOT_GRANTED = frozenset(
    one.code for one in Problem if 400 <= one.value.status < 500 and not one.value.retryable
)


class _Left(msgspec.Struct, frozen=True):
    """A request that may have been granted, and since when that is not known (monotonic)."""

    fetch: Fetch
    since_s: float


class Pending:
    """The requests of one station that are not over; on the event loop.

    Args:
        new_key: makes an Idempotency-Key, a UUID.
    """

    def __init__(
        self,
        journal: FetchJournal,
        client: Client,
        station: str,
        new_key: Callable[[], str],
    ) -> None:
        self._journal = journal
        self._client = client
        self._station = station
        self._new_key = new_key
        self._left: dict[tuple[str, str, str], _Left] = {}
        self._useless: dict[str, tuple[Fetch, str | None]] = {}
        for fetch in journal.left:
            self.keep(fetch)

    async def begin(self, unit: Unit) -> tuple[Fetch, bool]:
        """The request of a unit, on the disk; and whether its key is a new one.

        Raises:
            LedgerError: the journal cannot be written.
        """
        uid, aid = unit.uid.hex().upper(), unit.aid.hex().upper()
        left = self._left.pop((uid, aid, unit.profile), None)
        if left is not None:
            return left.fetch, False
        fetch = Fetch(self._new_key(), uid, aid, unit.profile)
        await anyio.to_thread.run_sync(self._journal.begin, fetch)
        return fetch, True

    async def ask(
        self,
        fetch: Fetch,
        recipient: RecipientKey,
        until_s: float,
        *,
        atr: bytes = b"",
        ttl_s: int | None = None,
    ) -> Granted:
        """Send it, and again while that may help; when that fails, it is kept or over.

        Args:
            ttl_s: what is asked for; None leaves it to the server.

        Raises:
            as :meth:`Client.lease`
        """
        try:
            return await self._send(fetch, recipient, until_s, atr, ttl_s)
        except (KlmsError, UnitError) as error:
            if _was_not_granted(error):
                await self._over(fetch)
            else:
                self.keep(fetch)
            raise
        except BaseException:
            self.keep(fetch)
            raise

    def keep(self, fetch: Fetch) -> None:
        """Nobody knows whether it was granted."""
        name = fetch.uid, fetch.aid, fetch.profile
        if (other := self._left.get(name)) is not None:
            self._useless[other.fetch.key] = other.fetch, None  # one a unit is used again
        self._left[name] = _Left(fetch, time.monotonic())

    async def hand_back(self, fetch: Fetch, body: bytes, until_s: float) -> None:
        """It was granted and is of no use; tried once now, and later if that does not help.

        Args:
            body: the answer, which names the lease if anything does.
        """
        self._useless[fetch.key] = fetch, lease_id_of(body)
        await self._return(fetch.key, until_s)

    def give_up(self, key: str, lease_id: str) -> None:
        """It was granted, and the ledger cannot take it; handed back later. From any thread."""
        self._useless[key] = Fetch(key), lease_id

    async def hand_back_all(self, until_s: float, *, older_than_s: float = 0.0) -> None:
        """Hand back what no unit has come for; what cannot be stays for later.

        Args:
            older_than_s: of a unit that may still lie on its reader and be asked for again.
        """
        before_s = time.monotonic() - older_than_s
        for name, left in list(self._left.items()):
            if left.since_s <= before_s:
                del self._left[name]
                self._useless[left.fetch.key] = left.fetch, None
        for key in list(self._useless):
            if not await self._return(key, until_s):
                return

    async def _return(self, key: str, until_s: float) -> bool:
        """Whether the server has heard it."""
        if key not in self._useless:
            return True  # somebody else is at it
        fetch, lease_id = self._useless.pop(key)
        heard = False
        try:
            if lease_id is None:
                granted = await self._send(fetch, RecipientKey(), until_s)
                lease_id = lease_id_of(granted.body)
            if lease_id is not None:
                end = End(lease_id, "abort", "error", "none")
                await self._client.outcomes(Outcomes((end,)), until_s)
                heard = True
        except (KlmsError, UnitError) as error:
            heard = _was_not_granted(error)
        except SourceError:
            pass  # away, or one side does not accept the other: later
        finally:
            if not heard:
                self._useless[key] = fetch, lease_id
        if heard:
            await self._over(fetch)
        return heard

    async def _send(
        self,
        fetch: Fetch,
        recipient: RecipientKey,
        until_s: float,
        atr: bytes = b"",
        ttl_s: int | None = None,
    ) -> Granted:
        request = LeaseRequest(
            unit=UnitName(uid=fetch.uid, aid=fetch.aid, atr=atr.hex().upper()),
            profile=fetch.profile,
            station=self._station,
            recipient=Recipient(SUITE, recipient.public),
            ttl_s=ttl_s,
        )
        return await self._client.lease(fetch.key, msgspec.json.encode(request), until_s)

    async def _over(self, fetch: Fetch) -> None:
        await anyio.to_thread.run_sync(self._journal.finish, fetch.key)


def _was_not_granted(error: KlmsError | UnitError) -> bool:
    return isinstance(error, UnitError) or error.code in _NOT_GRANTED
