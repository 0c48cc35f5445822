"""A station: its lanes, what they share, and the news of the readers."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from kfasync.audit.log import AuditLog
from kfasync.contracts.cards import Readers
from kfasync.contracts.crypto import CryptoPath, Vault
from kfasync.contracts.sources import Source
from kfasync.errors import ConfigError, KeyCheckError, KfError, LinkError, ReaderError
from kfasync.ledger.ledger import Ledger, Unfinished
from kfasync.sources.containers import ContainerSource
from kfasync.sources.provider.library import LibraryFacts
from kfasync.sources.provider.source import ProviderSource
from kfasync.station.attempt import Conclusion
from kfasync.station.config import ContainersSection, LoadedConfig, ProviderSection
from kfasync.station.desk import Desk, Roster
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Follower, Notice, ignore
from kfasync.station.lane import Lane


class Station:
    """Readers in, outcomes out."""

    def __init__(self, desk: Desk, readers: Readers) -> None:
        self._desk = desk
        self._readers = readers

    def unfinished(self) -> list[Unfinished]:
        """Fobs that an earlier run left half-written, and that are to be placed again."""
        return self._desk.ledger.unfinished()

    async def run(self, names: tuple[str, ...] = ()) -> None:
        """Work on these readers, or on every reader there is; returns when all have stopped.

        A lane begins with the first news of its reader, so that readers may come later.
        """
        lanes: dict[str, Lane] = {}
        async with self._followed() as tasks, self._readers.watch() as news:
            async for event in news:
                if names and event.reader not in names:
                    continue
                lane = lanes.get(event.reader)
                if lane is None:
                    lane = Lane(len(lanes), self._readers.reader(event.reader), self._desk)
                    lanes[event.reader] = lane
                    tasks.start_soon(self._lane, lane, lanes, names, tasks)
                lane.hear(event.news)

    async def provision(self, name: str, timeout_s: float) -> Conclusion | KfError:
        """One fob on one reader: the one that is there, or the next one that is placed.

        Args:
            name: the reader; "" for the only one there is.
            timeout_s: how long to wait for a fob.

        Raises:
            ReaderError: there is no such reader, or no one to choose.
            LinkError: no fob was placed in time.
        """
        name = _the_reader(name, await to_thread.run_sync(self._readers.names))
        lane = Lane(0, self._readers.reader(name), self._desk)
        result: Conclusion | KfError | None = None
        async with self._followed() as tasks:
            tasks.start_soon(self._listen, lane, name)
            with anyio.move_on_after(timeout_s) as waiting:
                await lane.placed()
            if not waiting.cancelled_caught:
                result = await lane.provision_next()
            tasks.cancel_scope.cancel()
        # Not inside, where it would leave as an ExceptionGroup.
        if result is None:
            raise LinkError(f"no fob was placed on reader {name} within {timeout_s:g} s")
        return result

    @asynccontextmanager
    async def _followed(self) -> AsyncIterator[TaskGroup]:
        """A task group in which the followers run; they catch up once more at its end."""
        try:
            async with anyio.create_task_group() as tasks:
                for follower in self._desk.followers:
                    tasks.start_soon(follower.run)
                yield tasks
        finally:
            with anyio.CancelScope(shield=True):
                for follower in self._desk.followers:
                    await follower.catch_up()

    async def _listen(self, lane: Lane, name: str) -> None:
        async with self._readers.watch() as news:
            async for event in news:
                if event.reader == name:
                    lane.hear(event.news)

    @staticmethod
    async def _lane(
        lane: Lane, lanes: dict[str, Lane], names: tuple[str, ...], tasks: TaskGroup
    ) -> None:
        await lane.run()
        wanted = len(names) or len(lanes)
        if sum(bool(other.stopped) for other in lanes.values()) == wanted:
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def open_station(
    loaded: LoadedConfig,
    readers: Readers,
    tell: Callable[[LaneEvent], None],
    notice: Callable[[Notice], None] = ignore,
) -> AsyncIterator[Station]:
    """Put a station together from its configuration, and take it down again.

    Args:
        tell: told what the lanes do, from whatever thread it happens in.
        notice: told when the audit file, say, falls behind the ledger or has caught up.

    Raises:
        KfError: some part of it is not available; no card has been touched.
    """
    with ExitStack() as parts:
        desk = await to_thread.run_sync(_set_up, loaded, tell, notice, parts)
        try:
            yield Station(desk, readers)
        finally:
            # What a source has to do at its end may block.
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(parts.close)


def _set_up(
    loaded: LoadedConfig,
    tell: Callable[[LaneEvent], None],
    notice: Callable[[Notice], None],
    parts: ExitStack,
) -> Desk:
    """Open everything; ``parts`` closes it again, also when this fails halfway."""
    config = loaded.config
    path = config.crypto.choose()
    directory = loaded.resolve(config.station.data_dir)
    ledger = Ledger.open(directory)
    parts.callback(ledger.close)
    audit = AuditLog.open(directory, ledger)
    source: Source
    provider: LibraryFacts | None = None
    if isinstance(config.source, ProviderSection):
        lock_memory = config.crypto.locked_memory == "required"
        source = _provider(config.source, ledger, path.vault, lock_memory=lock_memory)
        parts.callback(source.close)
        provider = source.facts
    else:
        source = _containers(loaded, config.source, path, ledger)
    return Desk(
        station=config.station.id,
        config_sha256=loaded.sha256,
        card_timeout_s=config.station.card_timeout_s,
        profile=config.card,
        path=path,
        source=source,
        provider=provider,
        ledger=ledger,
        followers=(audit_follower(audit, notice),),
        roster=Roster(),
        tell=tell,
    )


def audit_follower(audit: AuditLog, notice: Callable[[Notice], None]) -> Follower:
    """The follower that writes the audit file."""
    return Follower("audit log", lambda: to_thread.run_sync(audit.follow), notice)


def _provider(
    section: ProviderSection, ledger: Ledger, vault: Vault, *, lock_memory: bool
) -> ProviderSource:
    return ProviderSource.open(
        Path(section.library),
        section.sha256,
        section.config,
        ledger,
        vault,
        deadline_s=section.deadline_s,
        in_process=section.in_process,
        lock_memory=lock_memory,
    )


def _containers(
    loaded: LoadedConfig, section: ContainersSection, path: CryptoPath, ledger: Ledger
) -> ContainerSource:
    keys = loaded.config.key_set()
    try:
        path.load(keys).wipe()
    except KeyCheckError as error:
        # Of keys that stand in the configuration this can be said before any fob is placed.
        raise ConfigError("source.keys", str(error)) from error
    return ContainerSource.open(
        loaded.resolve(section.path),
        loaded.resolve(section.certificates),
        keys,
        ledger,
        path.vault,
    )


def _the_reader(name: str, present: list[str]) -> str:
    if name in present:
        return name
    if not present:
        raise ReaderError("PC/SC sees no reader; plug one in")
    there_are = f"there are: {', '.join(present)}"
    if name:
        raise ReaderError(f"there is no reader {name!r}; {there_are}")
    if len(present) > 1:
        raise ReaderError(f"there is more than one reader; name one with --reader; {there_are}")
    return present[0]
