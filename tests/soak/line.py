"""Line: the fobs of a day and where they lie, for a station in another process."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from types import TracebackType
from typing import Self

from kfasync.sim.faults import Hung, TornOff
from kfasync.sim.fob import SimulatedFob
from tests.soak.distant import FOBS, HUNG, PLACE, PLUG, REMOVE, TORN, UNPLUG

GET_UID = bytes.fromhex("FFCA0000")
PATIENCE_S = 30.0
CLOSE = "close"


class LinedFob:
    """A fob, and what it has seen of stations.

    Attributes:
        conversations: in which it was asked for more than its UID.
        strikes: what it did of its own accord: torn off, hung.
    """

    def __init__(self, fob: SimulatedFob) -> None:
        self.fob = fob
        self.conversations = 0
        self.strikes: list[str] = []
        self._lock = threading.Lock()
        self._is_new = True

    @property
    def atr(self) -> bytes:
        return self.fob.atr

    def reset(self) -> None:
        with self._lock:
            self._is_new = True
            self.fob.reset()

    def transmit(self, command: bytes) -> bytes:
        with self._lock:
            if self._is_new and command[:4] != GET_UID:
                self._is_new = False
                self.conversations += 1
            try:
                return self.fob.transmit(command)
            except (TornOff, Hung) as strike:
                self.strikes.append(TORN if isinstance(strike, TornOff) else HUNG)
                raise

    def seconds(self, command: bytes, answer: bytes) -> float:
        return 0.0


class Line:
    """Readers in memory: serves a station, and the next one when that has gone.

    Args:
        directory: of the socket.
    """

    def __init__(self, directory: Path, lanes: int, fobs: Mapping[int, LinedFob]) -> None:
        self.readers = tuple(f"R{lane:02}" for lane in range(1, lanes + 1))
        self.environment: dict[str, str] = {}
        self.address = str(directory / "line.sock")
        self._fobs = fobs
        self._lock = threading.RLock()
        self._lying: dict[str, int] = {}
        self._hands: Connection | None = None
        self._listener = Listener(self.address, family="AF_UNIX")
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with Client(self.address) as closing:
            closing.send(CLOSE)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        self._listener.close()

    def arguments(self) -> tuple[str, ...]:
        """What comes before ``run`` on the command line of a station on these readers."""
        return ("-m", "tests.soak.distant", self.address, ",".join(self.readers))

    # ------------------------------------------------------------------ the operators' hands

    def place(self, reader: str, number: int) -> None:
        with self._lock:
            self._lying[reader] = number
            self._tell(PLACE, reader, number, self._fobs[number].atr)

    def remove(self, reader: str) -> None:
        """Take away what lies there, if it has not left by itself."""
        with self._lock:
            if self._lying.pop(reader, None) is not None:
                self._tell(REMOVE, reader)

    def lies(self, reader: str, number: int) -> bool:
        """Whether that fob is still there."""
        with self._lock:
            return self._lying.get(reader) == number

    def unplug(self, reader: str) -> None:
        with self._lock:
            self._tell(UNPLUG, reader)

    def plug(self, reader: str) -> None:
        with self._lock:
            self._tell(PLUG, reader)

    def _tell(self, *words: object) -> None:
        if self._hands is None:
            return
        try:
            self._hands.send(words)
            assert self._hands.poll(PATIENCE_S), words
            self._hands.recv()
        except (OSError, EOFError):
            self._hands = None  # the station has gone; the next one hears how things lie

    # ------------------------------------------------------------------ the stations' side

    def _listen(self) -> None:
        while True:
            connection = self._listener.accept()
            try:
                what = connection.recv()
            except (OSError, EOFError):
                continue
            if what == CLOSE:
                connection.close()
                return
            if what == FOBS:
                thread = threading.Thread(target=self._answer, args=(connection,))
                self._threads.append(thread)
                thread.start()
            else:
                self._take(connection)

    def _take(self, connection: Connection) -> None:
        with self._lock:
            if self._hands is not None:
                self._hands.close()
            self._hands = connection
            lying = dict(self._lying)
            with suppress(OSError):
                connection.send(len(lying))
            for reader, number in lying.items():
                self._tell(PLACE, reader, number, self._fobs[number].atr)

    def _answer(self, connection: Connection) -> None:
        with connection, suppress(OSError, EOFError):
            while True:
                number, command = connection.recv()
                connection.send(self._said(number, command))

    def _said(self, number: int, command: bytes | None) -> object:
        fob = self._fobs[number]
        if command is None:
            fob.reset()
            return True
        try:
            return fob.transmit(command)
        except Hung:
            return HUNG
        except TornOff:
            with self._lock:
                for reader in [name for name, lies in self._lying.items() if lies == number]:
                    del self._lying[reader]
            return TORN
