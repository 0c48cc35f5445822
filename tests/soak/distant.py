"""The line's own process has the fobs; the station's has the readers, and asks for each answer.

So fobs outlive the station, however it ends. Run as ``python -m tests.soak.distant ADDRESS READERS
run ...`` this is `kfasync` itself, and only what it takes for PC/SC is the line.
"""

import os
import sys
import threading
import traceback
from multiprocessing.connection import Client, Connection
from typing import cast

from kfasync.cli import run as command
from kfasync.sim.faults import Hung, TornOff
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.reader import SimulatedReaders

PLACE, REMOVE, UNPLUG, PLUG = "place", "remove", "unplug", "plug"
TORN, HUNG = "torn", "hung"
HANDS, FOBS = "hands", "fobs"  # what a connection is for


class Fobs:
    """Asks the line for the answers of fobs; each thread has a connection of its own."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._own = threading.local()

    def ask(self, number: int, command: bytes | None) -> object:
        """The answer of a fob; None resets it."""
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = Client(self._address)
            connection.send(FOBS)
        connection.send((number, command))
        return connection.recv()


class DistantFob:
    """A fob in another process; a reader takes it for one of its own."""

    def __init__(self, number: int, atr: bytes, fobs: Fobs) -> None:
        self._number = number
        self._fobs = fobs
        self.atr = atr
        self.antenna = threading.Lock()

    def reset(self) -> None:
        self._fobs.ask(self._number, None)

    def transmit(self, command: bytes) -> bytes:
        answer = self._fobs.ask(self._number, command)
        if answer == TORN:
            raise TornOff
        if answer == HUNG:
            raise Hung
        return cast(bytes, answer)

    def seconds(self, command: bytes, answer: bytes) -> float:
        return 0.0


class Hands:
    """Does with the readers what is done on the line."""

    def __init__(self, address: str, names: list[str]) -> None:
        self.readers = SimulatedReaders(names)
        self._fobs = Fobs(address)
        self._line = Client(address)
        self._line.send(HANDS)
        # What lies there already, before the station looks.
        for _ in range(self._line.recv()):
            self._obey()
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        try:
            while True:
                self._obey()
        except (EOFError, OSError):
            pass
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)  # the line has gone, and nobody else would end this process

    def _obey(self) -> None:
        match self._line.recv():
            case [word, reader] if word == REMOVE:
                self.readers.remove(reader)
            case [word, reader] if word == UNPLUG:
                self.readers.unplug(reader)
            case [word, reader] if word == PLUG:
                self.readers.plug(reader)
            case [word, reader, number, atr] if word == PLACE:
                # One that has torn itself off may not have been missed here yet.
                self.readers.remove(reader)
                self.readers.place(reader, cast(SimulatedFob, DistantFob(number, atr, self._fobs)))
        self._line.send(True)


def main() -> None:
    address, names, *arguments = sys.argv[1:]
    assert hasattr(command, "PcscReaders")
    command.PcscReaders = lambda: Hands(address, names.split(",")).readers
    sys.argv[1:] = arguments
    from kfasync.__main__ import main as kfasync

    kfasync()


if __name__ == "__main__":
    main()
