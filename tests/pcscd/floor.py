"""A factory floor for tests: a configured station, fobs, and hands that place them."""

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from kfasync.audit.record import AttemptRecord
from kfasync.contracts.cards import News
from kfasync.model import KeySet
from kfasync.sim.content import make_containers
from kfasync.sim.faults import Fault
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.vpcd import VirtualCard
from kfasync.station.config import TEMPLATE, StationConfig
from kfasync.station.events import LaneEvent
from kfasync.station.states import FOLLOWS, WORKING, LaneState
from tests.native_build import reference_provider, stock

FIXTURES = Path(__file__).parents[2] / "fixtures"
PATIENCE_S = 60.0
FIXTURE_FESNS = ["1KM0001E", "1KM0001F"]


def write_config(directory: Path, *, made: int = 0, **changes: str) -> Path:
    """A station in a directory of its own: the fixtures' content, and as much more as asked."""
    text = TEMPLATE.replace("fixtures/certificates", str(FIXTURES / "certificates"))
    if made:
        make_containers(directory / "containers", made)
    else:
        hidden = shutil.ignore_patterns(".*")
        shutil.copytree(FIXTURES / "containers", directory / "containers", ignore=hidden)
    text = text.replace("fixtures/containers", str(directory / "containers"))
    for old, new in changes.items():
        key = next(line for line in text.splitlines() if line.lstrip("# ").startswith(f"{old} ="))
        text = text.replace(key, f"{old} = {new}")
    path = directory / "station.toml"
    path.write_text(text, "utf-8")
    return path


def write_provider_config(
    directory: Path, *, containers: int, in_process: bool = False, library: Path | None = None
) -> Path:
    """A station whose content comes from a library, by default the reference provider."""
    stocked, library = stock(directory, containers), library or reference_provider()
    text = (
        TEMPLATE[: TEMPLATE.index("[source]")]
        + f"""[source]
kind = "provider"
library = "{library}"
sha256 = "{hashlib.sha256(library.read_bytes()).hexdigest()}"
in_process = {str(in_process).lower()}

[source.config]
"""
    )
    text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in stocked.items())
    path = directory / "station.toml"
    path.write_text(text, "utf-8")
    return path


def sample_keys() -> KeySet:
    """The key set of the development samples."""
    config = StationConfig.parse(TEMPLATE, Path(), "template")
    return config.key_set()


def new_fob(*faults: Fault, uid: bytes | None = None) -> SimulatedFob:
    """A development sample."""
    return SimulatedFob(
        uid=uid or b"\x04" + secrets.token_bytes(6), keys=sample_keys(), faults=faults
    )


class Announcing:
    """A fob that says when a certain command has reached it, and only then answers."""

    def __init__(self, fob: SimulatedFob, at: int) -> None:
        self.fob = fob
        self.atr = fob.atr
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self.was_reset = threading.Event()  # after it was reached
        self._at = at

    def reset(self) -> None:
        self.fob.reset()
        if self.reached.is_set():
            self.was_reset.set()

    def transmit(self, command: bytes) -> bytes:
        answer = self.fob.transmit(command)
        if self.fob.commands == self._at and not self.reached.is_set():
            self.reached.set()
            self.go_on.wait(PATIENCE_S)
        return answer

    def seconds(self, command: bytes, answer: bytes) -> float:
        return self.fob.seconds(command, answer)


class Watcher:
    """Hears what a station tells, and lets a test wait for it."""

    def __init__(self) -> None:
        self.events: list[LaneEvent] = []
        self.wrong: list[tuple[LaneState, LaneState]] = []  # steps that are not in the table
        self._states: dict[int, LaneState] = {}
        self._more = anyio.Event()

    def tell(self, event: LaneEvent) -> None:
        before = self._states.get(event.slot, LaneState.EMPTY)
        self._states[event.slot] = event.state
        if event.state is not before and event.state not in FOLLOWS[before]:
            self.wrong.append((before, event.state))
        self.events.append(event)
        # Progress comes from worker threads; what is waited for comes from the event loop.
        if event.state not in WORKING:
            self._more.set()
            self._more = anyio.Event()

    @property
    def records(self) -> list[AttemptRecord]:
        return [event.record for event in self.events if event.record is not None]

    def first(self, state: LaneState, reader: str, *, after: int) -> int:
        """Where in :attr:`events` that is to be found."""
        return next(
            position
            for position, event in enumerate(self.events)
            if position >= after and (event.state, event.reader) == (state, reader)
        )

    async def wait_for(
        self, state: LaneState, reader: str, *, after: int = 0, uid: bytes | None = None
    ) -> LaneEvent:
        """The first such event at or after that position in :attr:`events`."""

        def wanted(event: LaneEvent) -> bool:
            return (event.state, event.reader) == (state, reader) and _is(event, uid)

        return await self._until(wanted, after)

    async def result(self, reader: str, *, after: int = 0, uid: bytes | None = None) -> LaneEvent:
        """The first result there; a latched one that is told again is none."""

        def wanted(event: LaneEvent) -> bool:
            return event.reader == reader and event.record is not None and _is(event, uid)

        return await self._until(wanted, after)

    async def emptied(self, reader: str, *, after: int = 0) -> LaneEvent:
        """The first news there that nothing lies on the reader."""

        def wanted(event: LaneEvent) -> bool:
            return event.reader == reader and event.news is News.EMPTY

        return await self._until(wanted, after)

    async def _until(self, wanted: Callable[[LaneEvent], bool], after: int) -> LaneEvent:
        with anyio.fail_after(PATIENCE_S):
            while True:
                more = self._more
                for event in self.events[after:]:
                    if wanted(event):
                        return event
                await more.wait()


def _is(event: LaneEvent, uid: bytes | None) -> bool:
    # Who was torn off before it said its UID is nobody.
    return uid is None or event.uid in ("", uid.hex().upper())


async def serve_until_done(
    fob: SimulatedFob, reader: str, port: int, watcher: Watcher
) -> list[AttemptRecord]:
    """Place a fob as often as the operator would, until it is done; its records in order."""
    records: list[AttemptRecord] = []
    card = VirtualCard(fob, port)
    while not records or records[-1].outcome == "incomplete":
        seen = len(watcher.events)
        await to_thread.run_sync(card.insert)
        done = await watcher.result(reader, after=seen, uid=fob.uid)
        assert done.record is not None
        records.append(done.record)
        await to_thread.run_sync(card.remove)
        # Counted from where the lane saw the fob: one that is torn off may have been missed
        # before its record was written, and an older news of an empty reader says nothing.
        began = watcher.first(LaneState.READING, reader, after=seen)
        await watcher.emptied(reader, after=began)
    return records


def kfasync(
    *arguments: str | Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line as its user does."""
    return subprocess.run(
        [sys.executable, "-m", "kfasync", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def provision_json(config: Path, reader: str) -> tuple[int, dict[str, Any]]:
    """Exit code and record of ``kfasync provision --json``."""
    run = kfasync("provision", "--config", config, "--reader", reader, "--timeout", "20", "--json")
    assert "Traceback" not in run.stderr
    record: dict[str, Any] = json.loads(run.stdout)
    return run.returncode, record
