"""One run: a whole station, from a directory of its own, and fobs that are made for it."""

import random
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import anyio
import msgspec

from kfasync.bench.memory import forget_peak, peak_rss_mb
from kfasync.bench.pipeline.figures import Conditions, FobTimes, Report
from kfasync.bench.pipeline.floor import Floor, SimulatedFloor
from kfasync.bench.pipeline.hands import Hands
from kfasync.bench.pipeline.meter import MeteredFob
from kfasync.bench.pipeline.requests import MeteredSource, StubSource
from kfasync.contracts.sources import Source
from kfasync.errors import LaneStoppedError
from kfasync.model import KeySet
from kfasync.sim.content import make_certificates, make_containers
from kfasync.station.assembly import open_station
from kfasync.station.collector import settled
from kfasync.station.config import LoadedConfig, load

# Nothing in a lane takes this long: a fob takes a second, and who waits for the disk, for
# others or for the key server is done within a few.
PATIENCE_S = 60.0
_BATCH = 500  # of containers: about half a second
# With `disorder`: a tenth more is announced and never comes, a tenth comes up to 20 places later
# than announced, and of forty fobs one is kept waiting for up to 20 s. Leases of those that never
# come use content until they are handed back.
_STRAY, _LATE, _LATE_BY, _PAUSES, _PAUSE_S, _SPARE = 0.1, 0.1, 20, 0.025, 20.0, 80

SourceKind = Literal["containers", "klms", "stub"]

_CONFIG = """\
[station]
id = "bench"

[source]
kind = "containers"
path = "containers"
certificates = "certificates"
keys = {{ enc = "{0}", mac = "{1}", dek = "{2}" }}

[crypto]
locked_memory = "preferred"  # these keys are made up
"""


class Plan(msgspec.Struct, frozen=True):
    """What is measured.

    Attributes:
        fobs: in all, over all lanes.
        card_ms: card time of a whole fob; None for that of NFC.
        seed: for the UIDs and for how much later each lane begins.
        source: where content and keys come from; `stub` is containers that take as long as a
            key server.
        klms_ms, commit_ms: how long a request for a lease takes, and one that tells of ends.
        announce: the fobs are announced beforehand, in their order.
        prefetch: leases are asked for before they are needed; without it only to compare.
        disorder: the fobs do not come as they were announced.
    """

    lanes: int
    fobs: int
    card_ms: float | None = None
    seed: int = 0
    source: SourceKind = "containers"
    klms_ms: int = 0
    commit_ms: int = 0
    announce: bool = False
    prefetch: bool = True
    disorder: bool = False

    @property
    def containers(self) -> int:
        """Content that it takes: each lane has a fob beforehand that warms it up."""
        return self.lanes + self.fobs + (_SPARE if self.disorder else 0)


def furnish(directory: Path, plan: Plan, made: Callable[[int], None]) -> LoadedConfig:
    """Make content, and a configuration that takes it from there, in an empty directory.

    Args:
        made: told of how many more containers there are, now and then.
    """
    make_certificates(directory / "certificates")
    for left in range(plan.containers, 0, -_BATCH):
        make_containers(directory / "containers", min(_BATCH, left))
        made(min(_BATCH, left))
    path = directory / "station.toml"
    path.write_text(_CONFIG.format(*(secrets.token_hex(16) for _ in range(3))), "utf-8")
    return load(path)


async def measure(
    loaded: LoadedConfig,
    plan: Plan,
    loop: str,
    progress: Callable[[FobTimes], None],
    keys_of: Callable[[bytes], KeySet] | None = None,
    floor: Floor | None = None,
    patience_s: float = PATIENCE_S,
) -> Report:
    """Run the plan on the station that this configuration describes.

    Args:
        loop: what the event loop is called, for the report.
        progress: told of every fob that is done, on the event loop; its CPU is not counted.
        keys_of: the static keys of a fob, by its UID; None for those of the configuration.
        floor: where the fobs are placed; None for simulated readers.
        patience_s: how long a lane may say nothing.

    Raises:
        LaneStoppedError: a lane has stopped, or says nothing more.
        KfError: the station cannot be put together.
    """
    forget_peak()
    tray, shown = _Tray(plan, keys_of or _configured(loaded)), _Shown(progress)
    sources: list[MeteredSource] = []
    floor = floor or SimulatedFloor(f"simulated {number:02d}" for number in range(plan.lanes))
    hands = Hands(floor, patience_s)
    try:
        async with (
            open_station(
                loaded,
                floor.readers,
                hands.see,
                around=partial(_meter, plan, sources),
                asks_early=plan.prefetch,
            ) as station,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(station.run, tuple(floor.names()))
            await hands.find()
            nfc_s = await _warm_up(hands, tray.fobs(plan.lanes, 0))
            pace = 1.0 if plan.card_ms is None else plan.card_ms / 1000 / nfc_s
            fobs, delays_s = tray.fobs(plan.fobs, pace), tray.delays_s(pace * nfc_s)
            if plan.announce:
                for uid in tray.announced(fobs):
                    station.announce(uid)
            with settled():  # as `kfasync run` does
                not_ours_s, began_s = floor.fob_cpu_s, time.process_time()
                await hands.serve(fobs, shown.take, delays_s, tray.pause_s)
                cpu_s = time.process_time() - began_s
            not_ours_s = floor.fob_cpu_s - not_ours_s + shown.cpu_s
            tasks.cancel_scope.cancel()
    finally:
        hands.close()
    return Report(
        conditions=Conditions(
            lanes=plan.lanes,
            fobs=plan.fobs,
            card_ms=plan.card_ms,
            seed=plan.seed,
            loop=loop,
            crypto_path=loaded.config.crypto.choose().name,
            source=plan.source,
            klms_ms=plan.klms_ms,
            commit_ms=plan.commit_ms,
            announce=plan.announce,
            prefetch=plan.prefetch,
            disorder=plan.disorder,
            pcscd=floor.from_news,
        ),
        fobs=tuple(shown.fobs),
        requests=tuple(sources[0].requests),
        cpu_s=cpu_s - not_ours_s,
        peak_rss_mb=peak_rss_mb(),
    )


def _configured(loaded: LoadedConfig) -> Callable[[bytes], KeySet]:
    keys = loaded.config.key_set()
    return lambda uid: keys


def _meter(plan: Plan, kept: list[MeteredSource], source: Source) -> Source:
    if plan.source == "stub":
        source = StubSource(source, plan.klms_ms / 1000, plan.commit_ms / 1000)
    kept.append(MeteredSource(source))
    return kept[-1]


async def _warm_up(hands: Hands, fobs: Sequence[MeteredFob]) -> float:
    """One fob a lane, which answers at once; the card time of one of them on NFC."""
    warm: list[FobTimes] = []
    await hands.serve(fobs, warm.append, [0.0] * len(fobs))
    for fob in warm:
        if fob.fault:
            raise LaneStoppedError(f"{fob.reader}: the fob to warm up with failed: {fob.fault}")
    return fobs[0].nfc_s


class _Tray:
    """Fobs with UIDs of their own, and when each lane begins: by the seed, the same every time."""

    def __init__(self, plan: Plan, keys_of: Callable[[bytes], KeySet]) -> None:
        self._random = random.Random(plan.seed)  # noqa: S311  # none of it is a secret
        self._lanes = plan.lanes
        self._disorder = plan.disorder
        self._keys_of = keys_of
        self._uids: set[bytes] = set()

    def fobs(self, count: int, pace: float) -> list[MeteredFob]:
        uids = [self._uid() for _ in range(count)]
        return [MeteredFob(uid, self._keys_of(uid), pace) for uid in uids]

    def announced(self, fobs: Sequence[MeteredFob]) -> list[bytes]:
        """The UIDs as they are announced, which is how they come unless there is disorder."""
        uids = [fob.uid for fob in fobs]
        if self._disorder:
            for uid in self._random.sample(uids, int(_LATE * len(uids))):
                place = uids.index(uid)
                uids.remove(uid)
                uids.insert(max(0, place - self._random.randint(1, _LATE_BY)), uid)
            for _ in range(int(_STRAY * len(fobs))):
                uids.insert(self._random.randrange(len(uids) + 1), self._uid())
        return uids

    def pause_s(self) -> float:
        """How long the next fob is kept waiting before it is placed."""
        if not self._disorder or self._random.random() >= _PAUSES:
            return 0.0
        return self._random.uniform(0, _PAUSE_S)

    def delays_s(self, upto_s: float) -> list[float]:
        return [self._random.uniform(0, upto_s) for _ in range(self._lanes)]

    def _uid(self) -> bytes:
        while (uid := b"\x04" + self._random.randbytes(6)) in self._uids:
            pass
        self._uids.add(uid)
        return uid


class _Shown:
    """The fobs that are done, and the CPU of showing them."""

    def __init__(self, progress: Callable[[FobTimes], None]) -> None:
        self.fobs: list[FobTimes] = []
        self.cpu_s = 0.0
        self._progress = progress

    def take(self, fob: FobTimes) -> None:
        began = time.thread_time()
        self.fobs.append(fob)
        self._progress(fob)
        self.cpu_s += time.thread_time() - began
