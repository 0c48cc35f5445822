"""A rehearsal: a station on simulated readers, with somebody who places the fobs."""

import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator

import anyio
import msgspec

from kfasync.contracts.cards import News
from kfasync.errors import ShiftError
from kfasync.model import KeySet
from kfasync.secret import Secret
from kfasync.sim.faults import NFC
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.assembly import open_station
from kfasync.station.config import LoadedConfig
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice, ignore
from kfasync.station.start import ShiftSection
from kfasync.station.states import LaneState

_NO_RESULT = (LaneState.READER_FAULT, LaneState.STOPPED)
_LOOKED_AT = (LaneState.EMPTY, LaneState.FAIL)  # with what was found: a reference fob


class Operator:
    """Places fobs on readers and takes each away when its lane is done with it.

    Args:
        stays: at a lane that has stopped, until it is resumed; else such a lane is left for good.
        pause_s: what a hand takes to take a fob away, and then to bring the next.
    """

    def __init__(
        self,
        readers: SimulatedReaders,
        fobs: Iterable[SimulatedFob],
        *,
        stays: bool = False,
        pause_s: float = 0.0,
    ) -> None:
        self._pause_s = pause_s
        self._readers = readers
        self._tray = iter(fobs)
        self._stays = stays
        self._stopped: set[str] = set()
        self._done = {name: anyio.Event() for name in readers.names()}
        self._resumed = {name: anyio.Event() for name in readers.names()}

    def see(self, event: LaneEvent) -> None:
        """A lane shows how it stands; results and stops are told on the event loop."""
        if event.state is LaneState.STOPPED:
            self._stopped.add(event.reader)
        elif event.reader in self._stopped:
            self._stopped.discard(event.reader)
            self._resumed[event.reader].set()
        looked_at = event.state in _LOOKED_AT and event.message and event.news is News.INSERTED
        if event.record is not None or event.state in _NO_RESULT or looked_at:
            self._done[event.reader].set()

    async def work(self, reader: str) -> None:
        """Serve one reader until the tray is empty, or its lane is left for good."""
        while await self._is_wanted(reader):
            fob = next(self._tray, None)
            if fob is None:
                return
            self._done[reader] = anyio.Event()
            self._readers.place(reader, fob)
            await self._done[reader].wait()
            if self._pause_s:
                await anyio.sleep(self._pause_s)
            self._readers.remove(reader)
            if self._pause_s:
                await anyio.sleep(self._pause_s)

    async def _is_wanted(self, reader: str) -> bool:
        while reader in self._stopped:
            if not self._stays:
                return False
            self._resumed[reader] = anyio.Event()
            await self._resumed[reader].wait()
        return True


class Understudy:
    """Readers in memory and an operator who never tires, for a station that is only tried.

    They have the reference fobs at hand, and place them at the start and whenever they are due.

    Args:
        keys_of: the static keys of a fob, by its UID.
    """

    def __init__(
        self, loaded: LoadedConfig, names: Iterable[str], keys_of: Callable[[bytes], KeySet]
    ) -> None:
        self.readers = SimulatedReaders(names)
        self._announced: deque[bytes] = deque()
        shift = loaded.config.shift or ShiftSection()
        self._references = [bytes.fromhex(uid) for uid in shift.references]
        self._due: deque[bytes] = deque(self._references)
        known_bad = {bytes.fromhex(uid) for uid in shift.known_bad}
        good = loaded.config.reference_key_set()

        def of_this(uid: bytes) -> KeySet:
            if good is None or uid not in self._references:
                return keys_of(uid)
            return _other_keys(good) if uid in known_bad else good

        fobs = (new_fob(loaded, of_this, uid) for uid in self._uids())
        self._operator = Operator(self.readers, fobs, stays=True)

    def announce(self, uid: bytes) -> None:
        """A fob of this UID comes next, after those announced before."""
        self._announced.append(uid)

    def see(self, event: LaneEvent) -> None:
        """A lane shows how it stands."""
        if event.record is not None and event.record.cause == ShiftError.__name__:
            self._due.extend(uid for uid in self._references if uid not in self._due)
        self._operator.see(event)

    async def work(self) -> None:
        """Serve every reader, until cancelled."""
        async with anyio.create_task_group() as hands:
            for name in self.readers.names():
                hands.start_soon(self._operator.work, name)

    def _uids(self) -> Iterator[bytes]:
        while True:
            first = self._due or self._announced
            yield first.popleft() if first else b""


def _other_keys(keys: KeySet) -> KeySet:
    """Keys of the same size that nobody knows."""
    return msgspec.structs.replace(
        keys,
        **{
            name: Secret(secrets.token_bytes(len(getattr(keys, name))))
            for name in ("enc", "mac", "dek")
        },
    )


def new_fob(
    loaded: LoadedConfig, keys_of: Callable[[bytes], KeySet], uid: bytes = b""
) -> SimulatedFob:
    """A fob as it comes from the factory, with that UID or one of its own, as slow as NFC."""
    card, uid = loaded.config.card, uid or b"\x04" + secrets.token_bytes(6)
    return SimulatedFob(
        uid=uid,
        keys=keys_of(uid),
        aid=bytes.fromhex(card.aid),
        scp03_mode=card.scp03_mode,
        store_data_p1=(card.plan.p1, card.plan.last_p1),
        timing=NFC,
    )


async def rehearse(
    loaded: LoadedConfig,
    tell: Callable[[LaneEvent], None],
    names: Iterable[str],
    fobs: Iterable[SimulatedFob],
    notice: Callable[[Notice], None] = ignore,
) -> None:
    """Run the configured station until every fob has had its turn."""
    readers = SimulatedReaders(names)
    operator = Operator(readers, fobs)

    def tell_both(event: LaneEvent) -> None:
        tell(event)
        operator.see(event)

    async with (
        open_station(loaded, readers, tell_both, notice) as station,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(station.run)
        async with anyio.create_task_group() as hands:
            for name in readers.names():
                hands.start_soon(operator.work, name)
        tasks.cancel_scope.cancel()
