"""A whole station on a desk: configuration, ledger, containers, simulated readers and fobs.

Nothing here is a stand-in: the source, the ledger and the log are those of a real station,
and a fob answers as `kfasync.sim` has it.
"""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from kfasync.audit.log import AuditLog
from kfasync.audit.record import AttemptRecord
from kfasync.contracts.cards import News
from kfasync.contracts.sources import End, Parcel, Source
from kfasync.errors import SourceError
from kfasync.ledger.ledger import FILE_NAME, Ledger
from kfasync.model import Content, Fingerprint, Item, KeyCheckValues, KeySet, Lease, Unit
from kfasync.secret import Secret
from kfasync.sim.content import make_containers
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import CONTACTLESS_ATR, SimulatedFob
from kfasync.sim.mailbox import Mailbox
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.assembly import fetches, followers
from kfasync.station.batch import Batch
from kfasync.station.config import TEMPLATE, ContainersSection, LoadedConfig, StationConfig, load
from kfasync.station.desk import Desk
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice, ignore
from kfasync.station.interrupted import end_interrupted
from kfasync.station.prefetch import Prefetch
from kfasync.station.roster import Roster
from kfasync.station.sender import Sender
from kfasync.station.setup import make_source
from kfasync.station.states import FOLLOWS, RESULTS, WORKING, LaneState
from kfasync.station.station import Station
from kfasync.station.writetime import WriteTime

FIXTURES = Path(__file__).parents[2] / "fixtures"
PATIENCE_S = 30.0  # nothing takes that long; what never comes fails instead of hanging
AGES_S = 3600.0
GET_UID = bytes.fromhex("FFCA0000")
FIRST, SECOND = "1KM0001E", "1KM0001F"
PROFILE, AID = "jcop4-fob", bytes.fromhex("A000000857")

# The commands of a fixture fob, counted from 1.
COMMANDS = 17
INITIALIZE_UPDATE, EXTERNAL_AUTHENTICATE, FIRST_BLOCK = 3, 4, 5
BLOCK_5 = FIRST_BLOCK + 4
LAST_BLOCK = 15
POST_PERSONALIZATION = (16, 17)


# --------------------------------------------------------------------------- units and leases


def uid(number: int) -> bytes:
    return b"\x04" + number.to_bytes(6)


def unit(number: int, aid: bytes = AID) -> Unit:
    return Unit(uid(number), uid(number), CONTACTLESS_ATR, aid, PROFILE)


def content(number: int) -> Content:
    return Content(f"1KM{number:05X}", f"{number:040X}")


def digests(number: int) -> Fingerprint:
    """The fingerprint of content that is like no other."""
    return Fingerprint(f"key {number}", f"irk {number}", f"items {number}")


def lease(lease_id: str, to: Unit, of: Content, items: tuple[Item, ...] = ()) -> Lease:
    """A lease of no more than a name, as far as the ledger is concerned."""
    enc, mac, dek = (Secret(bytes(16)) for _ in range(3))
    keys = KeySet(255, enc, mac, dek, KeyCheckValues(b"", b"", b""))
    return Lease(lease_id, to, of, keys, items, (), fence=lease_id)


# ------------------------------------------------------------------------------ configuration


def furnish(
    directory: Path, containers: int = 2, edits: Mapping[str, str] | None = None
) -> LoadedConfig:
    """Content and configuration in a directory; ``edits`` change lines of the template."""
    for part in ("containers", "certificates"):
        shutil.copytree(FIXTURES / part, directory / part, ignore=shutil.ignore_patterns(".*"))
    make_containers(directory / "containers", containers - 2)
    text = TEMPLATE.replace("fixtures/", "")
    for old, new in (edits or {}).items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (directory / "station.toml").write_text(text, "utf-8")
    return load(directory / "station.toml")


def timeout(seconds: float) -> dict[str, str]:
    return {"# card_timeout_s = 10.0 ": f"card_timeout_s = {seconds} "}


def keys_of(loaded: LoadedConfig) -> KeySet:
    """The static keys of the fobs; content of a library comes with those of the samples."""
    if isinstance(loaded.config.source, ContainersSection):
        return loaded.config.key_set()
    return StationConfig.parse(TEMPLATE, Path(), "template").key_set()


class Fobs:
    """Makes fobs that fit a configuration, each with a UID of its own."""

    def __init__(self, loaded: LoadedConfig) -> None:
        self.keys = keys_of(loaded)
        self._made = 0

    def make(self, *faults: Fault, **arguments: Any) -> SimulatedFob:
        self._made += 1
        defaults: dict[str, Any] = {"uid": uid(self._made), "keys": self.keys}
        return SimulatedFob(faults=faults, **(defaults | arguments))

    def faulty(self, kind: FaultKind, at: int, **data: Any) -> SimulatedFob:
        return self.make(Fault(kind, at, **data))


# -------------------------------------------------------------------------------- the station


class ExpiringSource:
    """A source whose leases have run out when they arrive."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.facts = source.facts

    async def open(self) -> None:
        await self._source.open()

    async def close(self) -> None:
        await self._source.close()

    async def fetch(self, unit: Unit, *, ttl_s: int | None = None) -> Parcel:
        return await self._source.fetch(unit)

    def adopt(self, parcel: Parcel) -> Lease:
        return msgspec.structs.replace(self._source.adopt(parcel), expires_at_s=0.0)

    async def tell(self, ends: Sequence[End]) -> Sequence[SourceError | None]:
        return await self._source.tell(ends)


async def take(source: Source, unit: Unit) -> Lease:
    """A lease, fetched and adopted as an attempt does it."""
    parcel = await source.fetch(unit)
    return await anyio.to_thread.run_sync(source.adopt, parcel)


@asynccontextmanager
async def open_desk(
    loaded: LoadedConfig,
    tell: Callable[[LaneEvent], None] = lambda event: None,
    around: Callable[[Source], Source] = lambda source: source,
    notice: Callable[[Notice], None] = ignore,
) -> AsyncIterator[Desk]:
    """The desk of a configuration; ``around`` puts something before its source."""
    config = loaded.config
    directory = loaded.resolve(config.station.data_dir)
    path = config.crypto.choose()
    ledger = Ledger.open(directory)
    end_interrupted(ledger, config.station.id)
    try:
        source = around(
            make_source(
                loaded, path, ledger, lambda topic, why: notice(Notice(topic, why, warning=True))
            )
        )
        await source.open()
        roster = Roster()
        sender = Sender(source, ledger.outbox, roster)
        try:
            write_time = WriteTime()
            following = followers(AuditLog.open(directory, ledger), sender, notice)
            fetching = fetches(source, sender, roster, ledger, write_time, following)
            yield Desk(
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
                batch=Batch(config.shift, gated=True),
                reference_keys=config.reference_key_set(),
            )
        finally:
            with anyio.CancelScope(shield=True):
                await source.close()
    finally:
        ledger.close()


class Floor:
    """A station at work, and its operator.

    Attributes:
        shown: everything the lanes told, in order.
        notices: everything the followers told, in order.
        cancel: stop the station, as from the keyboard.
        wrong: steps from state to state that are not in the table.
        on_step: called in the lane's own thread right before command n of a fob leaves.
    """

    def __init__(self, loaded: LoadedConfig, readers: Sequence[str]) -> None:
        self.directory = loaded.resolve(loaded.config.station.data_dir)
        self.readers = SimulatedReaders(readers)
        self.fobs = Fobs(loaded)
        self.shown: list[LaneEvent] = []
        self.notices: list[Notice] = []
        self.on_step: dict[int, Callable[[], None]] = {}
        self.wrong: list[tuple[LaneState, LaneState]] = []
        self._states: dict[int, LaneState] = {}
        self.desk: Desk
        self.station: Station
        self.cancel: Callable[[], None]
        self._news = {name: Mailbox[LaneEvent]() for name in readers}
        self._noticed = anyio.Event()

    def tell(self, event: LaneEvent) -> None:
        before = self._states.get(event.slot, LaneState.EMPTY)
        self._states[event.slot] = event.state
        if event.state is not before and event.state not in FOLLOWS[before]:
            self.wrong.append((before, event.state))
        self.shown.append(event)
        if event.state in WORKING - {LaneState.LEASING} and event.step in self.on_step:
            self.on_step[event.step]()
        self._news[event.reader].put(event)

    def notice(self, notice: Notice) -> None:
        self.notices.append(notice)
        self._noticed.set()
        self._noticed = anyio.Event()

    async def until_notice(self, follower: str, problem: str) -> None:
        """Until the last that this follower has told begins so; "" when it has caught up."""

        def last() -> str | None:
            told = [one.problem for one in self.notices if one.follower == follower]
            return told[-1] if told else None

        with anyio.fail_after(PATIENCE_S):
            while (now := last()) is None or not (now.startswith(problem) if problem else not now):
                await self._noticed.wait()

    def put_away(self) -> None:
        for mailbox in self._news.values():
            mailbox.close()

    async def until(self, reader: str, *states: LaneState, step: int = 0) -> LaneEvent:
        """The next event of a lane in one of these states, from command ``step`` on."""
        with anyio.fail_after(PATIENCE_S):
            async for event in self._news[reader]:
                if event.state in states and event.step >= step:
                    return event
        raise AssertionError("the news ended")

    async def done(self, reader: str) -> LaneEvent:
        """The next result of a lane, which a latched one that is told again is not."""
        while (event := await self.until(reader, *RESULTS, LaneState.STOPPED)).record is None:
            assert event.state is not LaneState.STOPPED, event
        return event

    async def emptied(self, reader: str) -> LaneEvent:
        """Until a lane knows that nothing lies on its reader."""
        while (event := await self.until(reader, *LaneState)).news is not News.EMPTY:
            pass
        return event

    async def serve(self, reader: str, fob: SimulatedFob) -> AttemptRecord:
        """Place a fob, wait for its record, and take it away."""
        self.readers.place(reader, fob)
        return await self.result(reader)

    async def result(self, reader: str) -> AttemptRecord:
        event = await self.done(reader)
        self.readers.remove(reader)
        assert event.record is not None, event
        return event.record

    async def told(self) -> None:
        """Until the source has heard of every end."""
        with anyio.fail_after(PATIENCE_S):
            while self.desk.ledger.outbox.waiting():  # noqa: ASYNC110  # a ledger tells nobody
                await anyio.sleep(0.02)

    def records(self) -> list[AttemptRecord]:
        return [event.record for event in self.shown if event.record is not None]

    def counts(self) -> dict[str, int]:
        """How much content is in which state; empty states are left out."""
        return {state.value: n for state, n in self.desk.ledger.counts().items() if n}

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask or change the ledger behind the station's back."""
        return sql(self.directory, statement)


@asynccontextmanager
async def floor(
    loaded: LoadedConfig,
    readers: Sequence[str] = ("A",),
    around: Callable[[Source], Source] = lambda source: source,
    scouts: tuple[str, ...] = (),
) -> AsyncIterator[Floor]:
    """A station that is at work for as long as the context is open."""
    place = Floor(loaded, readers)
    try:
        async with (
            open_desk(loaded, place.tell, around, place.notice) as place.desk,
            anyio.create_task_group() as tasks,
        ):
            place.cancel = tasks.cancel_scope.cancel
            place.station = Station(place.desk, place.readers, place.notice)
            tasks.start_soon(partial(place.station.run, scouts=scouts))
            yield place
            place.cancel()
        assert place.wrong == []
    finally:
        place.put_away()


def sql(directory: Path, statement: str) -> list[tuple[Any, ...]]:
    """Ask or change the ledger of a data directory, past everything that guards it."""
    connection = sqlite3.connect(directory / FILE_NAME)
    try:
        with connection:
            return connection.execute(statement).fetchall()
    finally:
        connection.close()
