"""Stations that are killed at a chosen point, and fobs that outlive them.

The station is a process of its own and counts its points: before and after every effect of the
flow, and before and after every transaction of the ledger. At the chosen one it sends itself a
SIGKILL. The fobs live in the test's process, in a thread, and are asked what they hold.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import anyio
import msgspec

from kfasync.core.effects import Effect
from kfasync.ledger.sqlite import Store
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.assembly import open_station
from kfasync.station.attempt import Attempt
from kfasync.station.config import load
from tests.station.desks import PATIENCE_S

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


class Run(msgspec.Struct, frozen=True):
    """How a station's process ended.

    ``points`` is how many it has passed, ``identified`` whether it knew who the fob was.
    ``disposition`` is its verdict; "" when it was killed before it had one.
    """

    points: int
    identified: bool
    disposition: str
    killed: bool


class DistantFob:
    """A fob in another process; a reader takes it for one of its own."""

    def __init__(self, connection: Connection, atr: bytes) -> None:
        self._connection = connection
        self.atr = atr
        self.antenna = threading.Lock()

    def reset(self) -> None:
        self._ask(("reset", b""))

    def transmit(self, command: bytes) -> bytes:
        return self._ask(("transmit", command))

    def seconds(self, command: bytes, answer: bytes) -> float:
        return 0.0

    def _ask(self, question: tuple[str, Any]) -> bytes:
        self._connection.send(question)
        answer: bytes = self._connection.recv()
        return answer


class Points:
    """Counts, and ends the process at the chosen number."""

    def __init__(self, connection: Connection, last: int) -> None:
        self._connection = connection
        self._last = last
        self.passed = 0

    def __call__(self) -> None:
        self.passed += 1
        if self.passed == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: type, name: str, after: Callable[[Any], None]) -> None:
        inner = getattr(owner, name)

        def counted(*arguments: Any, **named: Any) -> Any:
            self()
            result = inner(*arguments, **named)
            after(arguments)
            self()
            return result

        setattr(owner, name, counted)


def _station(connection: Connection, config: str, atr: bytes, last: int) -> None:
    points = Points(connection, last)

    def performed(arguments: tuple[Attempt, Effect]) -> None:
        connection.send(("performed", type(arguments[1]).__name__))
        connection.recv()

    points.around(Attempt, "_perform", performed)
    points.around(Store, "write", lambda arguments: None)

    async def work() -> str:
        readers = SimulatedReaders(["A"])
        readers.place("A", DistantFob(connection, atr))  # type: ignore[arg-type]  # all that a reader uses of it
        async with open_station(load(Path(config)), readers, lambda event: None) as station:
            conclusion = await station.provision("A", PATIENCE_S)
        if isinstance(conclusion, Exception):
            raise conclusion
        return conclusion.verdict.disposition.value

    disposition = anyio.run(work)
    connection.send(("done", (points.passed, disposition)))
    connection.recv()
    sys.exit(0)


def provision(config: Path, fob: SimulatedFob, kill_at: int = 0) -> Run:
    """Let a station provision a fob, and kill it at a point; 0 is never."""
    here, there = _context.Pipe()
    process = _context.Process(target=_station, args=(there, str(config), fob.atr, kill_at))
    process.start()
    there.close()
    identified, done = False, (0, "")
    serving = threading.Event()

    def serve() -> None:
        nonlocal identified, done
        try:
            while True:
                match here.recv():
                    case ("transmit", command):
                        here.send(fob.transmit(command))
                    case ("reset", _):
                        fob.reset()
                        here.send(b"")
                    case ("performed", effect):
                        identified |= effect == "Identified"
                        here.send(b"")
                    case ("done", outcome):
                        done = outcome
                        here.send(b"")
        except (EOFError, OSError):
            serving.set()

    threading.Thread(target=serve, daemon=True).start()
    process.join(PATIENCE_S)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    assert serving.wait(PATIENCE_S)
    here.close()
    return Run(done[0], identified, done[1], killed=process.exitcode != 0)
