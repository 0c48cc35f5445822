"""What is not the station's: the simulated fob's share of CPU, and the time it stands for.

Readers, cards and fobs that behave as those they are made of and keep count. The CPU of a
command that goes to the fob is taken from the thread's own clock, so that what other threads
do meanwhile does not matter.
"""

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from kfasync.contracts.cards import Card, Reader, ReaderEvent, Readers
from kfasync.model import KeySet
from kfasync.sim.faults import NFC
from kfasync.sim.fob import SimulatedFob

_OPENING = (0xA4, 0x50)  # INS of SELECT and INITIALIZE UPDATE


class MeteredFob(SimulatedFob):
    """A fob that takes as long as one on NFC, or in proportion.

    Args:
        pace: 1 for NFC, 0 for answers at once.

    Attributes:
        nfc_s: what its exchanges so far would have taken on NFC.
        opening_s: the card time of its SELECT and INITIALIZE UPDATE, which a lease that is asked
            for when the UID is known may hide behind.
        cpu_s: what it has computed, by the clock of the thread that asked.
        first_s: when the first command of its life came, on the monotonic clock.
    """

    def __init__(self, uid: bytes, keys: KeySet, pace: float) -> None:
        super().__init__(uid=uid, keys=keys, timing=NFC)
        self.nfc_s = 0.0
        self.opening_s = 0.0
        self.cpu_s = 0.0
        self.first_s: float | None = None
        self._pace = pace

    @property
    def model_s(self) -> float:
        """The card time that its exchanges stand for."""
        return self._pace * self.nfc_s

    def transmit(self, command: bytes) -> bytes:
        """One command in, one answer out, as :class:`SimulatedFob` has it."""
        if self.first_s is None:
            self.first_s = time.monotonic()
        began = time.thread_time()
        try:
            return super().transmit(command)
        finally:
            self.cpu_s += time.thread_time() - began

    def seconds(self, command: bytes, answer: bytes) -> float:
        """How long the exchange takes that was just carried out."""
        on_nfc = super().seconds(command, answer)
        self.nfc_s += on_nfc
        if command[1] in _OPENING:
            self.opening_s += self._pace * on_nfc
        return self._pace * on_nfc


class _MeteredCard:
    """One conversation; implements `kfasync.contracts.cards.Card`."""

    def __init__(self, card: Card, reader: "MeteredReader") -> None:
        self._card = card
        self._reader = reader

    @property
    def atr(self) -> bytes:
        return self._card.atr

    def transmit(self, command: bytes) -> bytes:
        began = time.thread_time()
        try:
            return self._card.transmit(command)
        finally:
            self._reader.fob_cpu_s += time.thread_time() - began

    def close(self) -> None:
        self._card.close()


class MeteredReader:
    """One reader; implements `kfasync.contracts.cards.Reader`.

    Attributes:
        fob_cpu_s: CPU that commands took beyond this reader, in whatever thread they were sent.
    """

    def __init__(self, reader: Reader) -> None:
        self.fob_cpu_s = 0.0
        self._reader = reader

    @property
    def name(self) -> str:
        """As it was given."""
        return self._reader.name

    def connect(self) -> _MeteredCard:
        """Power the fob and take it for oneself."""
        return _MeteredCard(self._reader.connect(), self)

    def sever(self) -> None:
        """Free a thread that hangs in a transmit."""
        self._reader.sever()

    def close(self) -> None:
        """Let go of what is kept."""
        self._reader.close()


class MeteredReaders:
    """All readers; implements `kfasync.contracts.cards.Readers`."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._metered: dict[str, MeteredReader] = {}

    @property
    def fob_cpu_s(self) -> float:
        """CPU that commands took beyond these readers, since the start."""
        return sum(reader.fob_cpu_s for reader in self._metered.values())

    def names(self) -> list[str]:
        """Those that are there now."""
        return self._readers.names()

    def reader(self, name: str) -> MeteredReader:
        """The handle on a reader, always the same."""
        if name not in self._metered:
            self._metered[name] = MeteredReader(self._readers.reader(name))
        return self._metered[name]

    def watch(self) -> AbstractAsyncContextManager[AsyncIterator[ReaderEvent]]:
        """All news of all readers."""
        return self._readers.watch()
