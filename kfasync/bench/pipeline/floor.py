"""Where fobs are placed: simulated readers, or virtual ones of a real pcscd."""

from collections.abc import Iterable
from typing import Protocol

from anyio import to_thread

from kfasync.bench.pipeline.meter import MeteredFob, MeteredReaders
from kfasync.cards.pcsc import PcscReaders
from kfasync.contracts.cards import Readers
from kfasync.sim.pcscd import PrivatePcscd
from kfasync.sim.reader import SimulatedReaders
from kfasync.sim.vpcd import VirtualCard


class Floor(Protocol):
    """Readers as a station has them, and as those have them who place fobs on them.

    Attributes:
        readers: the station's.
        from_news: the time of a fob begins when its reader tells of it, not when it is placed: a
            virtual reader is looked at every 400 ms, and no real one is.
    """

    readers: Readers
    from_news: bool

    def names(self) -> list[str]:
        """Of the readers."""
        ...

    @property
    def fob_cpu_s(self) -> float:
        """CPU of this process that fobs have taken so far."""
        ...

    async def place(self, reader: str, fob: MeteredFob) -> None:
        """Put a fob on a reader that is empty."""
        ...

    async def remove(self, reader: str) -> None:
        """Take it away."""
        ...


class SimulatedFloor:
    """Readers in memory; implements :class:`Floor`. All that a command takes is the fob's."""

    from_news = False

    def __init__(self, names: Iterable[str]) -> None:
        self._simulated = SimulatedReaders(names)
        self._metered = MeteredReaders(self._simulated)
        self.readers: Readers = self._metered

    def names(self) -> list[str]:
        """Of the readers."""
        return self._simulated.names()

    @property
    def fob_cpu_s(self) -> float:
        """CPU of the commands, beyond the reader."""
        return self._metered.fob_cpu_s

    async def place(self, reader: str, fob: MeteredFob) -> None:
        """Put a fob on a reader."""
        self._simulated.place(reader, fob)

    async def remove(self, reader: str) -> None:
        """Take it away."""
        self._simulated.remove(reader)


class VirtualFloor:
    """Virtual readers of a real pcscd; implements :class:`Floor`.

    The fobs live in this process, each in a thread of its own. What they compute is not counted
    as the station's; that those threads talk to pcscd is.
    """

    from_news = True

    def __init__(self, pcscd: PrivatePcscd, lanes: int) -> None:
        self.readers: Readers = PcscReaders()
        self._pcscd = pcscd
        self._names = pcscd.reader_names[:lanes]
        self._placed: dict[str, VirtualCard] = {}
        self._fobs: list[MeteredFob] = []

    def names(self) -> list[str]:
        """Of the readers."""
        return self._names

    @property
    def fob_cpu_s(self) -> float:
        """CPU of the fobs, from command to answer."""
        return sum(fob.cpu_s for fob in self._fobs)

    async def place(self, reader: str, fob: MeteredFob) -> None:
        """Put a fob on a reader, which pcscd notices within 800 ms."""
        self._fobs.append(fob)
        self._placed[reader] = VirtualCard(fob, self._pcscd.port(reader))
        await to_thread.run_sync(self._placed[reader].insert)

    async def remove(self, reader: str) -> None:
        """Take it away."""
        await to_thread.run_sync(self._placed.pop(reader).remove)
