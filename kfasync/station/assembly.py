"""A station put together from its configuration, and taken down again."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import anyio
import msgspec
from anyio import to_thread

from kfasync.audit.log import AuditLog
from kfasync.contracts.cards import Readers
from kfasync.contracts.sources import Source
from kfasync.ledger.ledger import Ledger
from kfasync.ledger.marker import Tie, require_ledger
from kfasync.station import slotfile
from kfasync.station.batch import Batch
from kfasync.station.config import LoadedConfig
from kfasync.station.desk import Desk
from kfasync.station.events import LaneEvent
from kfasync.station.fetches import Fetches
from kfasync.station.follower import Follower, Notice, Progress, ignore
from kfasync.station.interrupted import end_interrupted
from kfasync.station.prefetch import Prefetch
from kfasync.station.roster import Roster
from kfasync.station.sender import Sender
from kfasync.station.setup import data_directory, make_source, pool_directory
from kfasync.station.station import Station
from kfasync.station.writetime import WriteTime

# A request costs a key server's client more than all that is in it, and no lane waits for an end.
ENDS_LINGER_S = 0.75  # and at most a second late


@asynccontextmanager
async def open_station(
    loaded: LoadedConfig,
    readers: Readers,
    tell: Callable[[LaneEvent], None],
    notice: Callable[[Notice], None] = ignore,
    *,
    around: Callable[[Source], Source] = lambda source: source,
    asks_early: bool = True,
    gated: bool = False,
) -> AsyncIterator[Station]:
    """Put a station together from its configuration, and take it down again.

    Args:
        tell: told what the lanes do, from whatever thread it happens in.
        notice: told when the audit file, say, falls behind the ledger or has caught up.
        around: put around the configured source, to measure it.
        asks_early: see :class:`Desk`.
        gated: no fob is provisioned before the check list of [shift] is done.

    Raises:
        KfError: some part of it is not available; no card has been touched.
    """
    async with AsyncExitStack() as parts:
        desk = await _set_up(loaded, tell, notice, around, parts)
        slots = data_directory(loaded) / slotfile.NAME
        config = loaded.config
        desk = msgspec.structs.replace(
            desk,
            asks_early=asks_early,
            batch=Batch(config.shift, gated=gated),
            reference_keys=config.reference_key_set(),
        )
        yield Station(desk, readers, notice, slots)


async def _set_up(
    loaded: LoadedConfig,
    tell: Callable[[LaneEvent], None],
    notice: Callable[[Notice], None],
    around: Callable[[Source], Source],
    parts: AsyncExitStack,
) -> Desk:
    """Open everything; ``parts`` closes it again, also when this fails halfway."""
    config = loaded.config
    directory = data_directory(loaded)
    path = await to_thread.run_sync(config.crypto.choose)
    pool = pool_directory(loaded)
    if pool is not None:
        require_ledger(pool, directory)
    ledger = await to_thread.run_sync(Ledger.open, directory)
    parts.callback(ledger.close)
    audit = await to_thread.run_sync(AuditLog.open, directory, ledger)
    write_time = WriteTime()
    source = around(
        make_source(
            loaded,
            path,
            ledger,
            lambda topic, why: notice(Notice(topic, why, warning=True)),
            write_s=lambda: write_time.p99_s,
        )
    )
    parts.push_async_callback(_close, source)
    await source.open()
    tie = None
    if pool is not None:
        # Not before the pool was found to be one: a marker has no business in any other directory.
        tie = await to_thread.run_sync(Tie.make, pool, directory, ledger)
        parts.callback(tie.close)
    await to_thread.run_sync(end_interrupted, ledger, config.station.id)
    roster = Roster()
    sender = Sender(source, ledger.outbox, roster)
    following = followers(audit, sender, notice, tie)
    fetching = fetches(source, sender, roster, ledger, write_time, following)
    return Desk(
        station=config.station.id,
        config_sha256=loaded.sha256,
        card_timeout_s=config.station.card_timeout_s,
        profile=config.card,
        path=path,
        source=source,
        ledger=ledger,
        sender=sender,
        fetches=fetching,
        prefetch=Prefetch(fetching, write_time, config.card.unit),
        write_time=write_time,
        followers=following,
        roster=roster,
        tell=tell,
    )


async def _close(source: Source) -> None:
    # Also when the station was cancelled: a library has things to do at its end.
    with anyio.CancelScope(shield=True):
        await source.close()


def followers(
    audit: AuditLog, sender: Sender, notice: Callable[[Notice], None], tie: Tie | None = None
) -> tuple[Follower, ...]:
    """What follows the ledger: the audit file, the sender of the outbox, the marker in the pool."""

    async def write_log() -> Progress:
        await to_thread.run_sync(audit.follow)
        return Progress()

    found = (
        Follower("audit log", write_log, notice),
        Follower("outbox", sender.step, notice, ENDS_LINGER_S),
    )
    return found if tie is None else (*found, Follower("pool marker", partial(_mark, tie), notice))


async def _mark(tie: Tie) -> Progress:
    wait_s = tie.wait_s()
    if wait_s > 0:
        return Progress(again_s=wait_s)
    await to_thread.run_sync(tie.follow)
    return Progress()


def fetches(
    source: Source,
    sender: Sender,
    roster: Roster,
    ledger: Ledger,
    write_time: WriteTime,
    following: Sequence[Follower],
) -> Fetches:
    """The fetches of a station, which hand back through its outbox."""

    def wake() -> None:
        for follower in following:
            follower.wake()

    return Fetches(
        source,
        sender,
        roster,
        write_time,
        lambda end: ledger.outbox.put(source.facts.pool, end),
        wake,
    )
