"""One private pcscd for the whole test session, and fobs to place on its readers.

libpcsclite reads PCSCLITE_CSOCK_NAME once in the life of a process, so the path is chosen
here, before any test can have asked it for anything, and every pcscd of this session has it.
"""

import atexit
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest

from kfasync.cards.pcsc import PcscReaders
from kfasync.contracts.cards import News
from kfasync.sim.faults import Hung, TornOff
from kfasync.sim.pcscd import SOCKET_VARIABLE, PrivatePcscd
from kfasync.sim.vpcd import Fob, VirtualCard

DIRECTORY = Path(tempfile.mkdtemp(prefix="kfasync-"))
atexit.register(shutil.rmtree, DIRECTORY, ignore_errors=True)
os.environ[SOCKET_VARIABLE] = str(DIRECTORY / "pcscd.comm")

SLOTS = 4
PATIENCE_S = 20.0  # nothing takes that long; what never comes fails instead of hanging

HANG = bytes.fromhex("80EE0000")
TEAR = bytes.fromhex("80EF0000")


class EchoFob:
    """Answers every command with itself and 9000, except HANG and TEAR."""

    def __init__(self, atr: str = "3B80800101") -> None:
        self._atr = bytes.fromhex(atr)
        self.looks = threading.Semaphore(0)  # how often pcscd looked whether it is there
        self.commands: list[bytes] = []
        self.resets = 0
        self.hangs = threading.Event()

    @property
    def atr(self) -> bytes:
        self.looks.release()
        return self._atr

    def reset(self) -> None:
        self.resets += 1

    def transmit(self, command: bytes) -> bytes:
        self.commands.append(command)
        if command == TEAR:
            raise TornOff
        if command == HANG:
            self.hangs.set()
            raise Hung
        return command + b"\x90\x00"

    def seconds(self, command: bytes, answer: bytes) -> float:
        return 0.0


async def until(reader: str, news: News, atr: bytes | None = None) -> None:
    """Wait until a reader stands as said."""
    with anyio.fail_after(PATIENCE_S):
        async with PcscReaders().watch() as events:
            async for event in events:
                if (event.reader, event.news) == (reader, news) and atr in (None, event.atr):
                    return


async def until_all_are_empty(names: list[str]) -> None:
    """Wait until no reader holds the fob of an earlier test any more."""
    waited_for = set(names)
    with anyio.fail_after(PATIENCE_S):
        async with PcscReaders().watch() as events:
            while waited_for:
                event = await anext(events)
                if event.news is News.EMPTY:
                    waited_for.discard(event.reader)


Place = Callable[[Fob, str], VirtualCard]


@pytest.fixture(scope="session")
def pcscd_of_the_session() -> Iterator[PrivatePcscd]:
    with PrivatePcscd(DIRECTORY, SLOTS) as pcscd:
        yield pcscd


@pytest.fixture
def pcscd(pcscd_of_the_session: PrivatePcscd) -> PrivatePcscd:
    """A running pcscd with four empty readers, whatever the test before did to it."""
    pcscd_of_the_session.start()
    anyio.run(until_all_are_empty, pcscd_of_the_session.reader_names)
    return pcscd_of_the_session


@pytest.fixture
def readers(pcscd: PrivatePcscd) -> PcscReaders:
    return PcscReaders()


@pytest.fixture
def virtual_card(pcscd: PrivatePcscd) -> Iterator[Place]:
    """Make a virtual card for a reader of the pcscd, which is removed after the test."""
    with ExitStack() as removals:

        def make(fob: Fob, reader: str) -> VirtualCard:
            card = VirtualCard(fob, pcscd.port(reader))
            removals.callback(card.remove)
            return card

        yield make


@pytest.fixture
def place(virtual_card: Place) -> Place:
    """Place a fob on a reader, instead of the one before, and wait until PC/SC knows."""
    placed: dict[str, VirtualCard] = {}

    def place_and_wait(fob: Fob, reader: str) -> VirtualCard:
        if reader in placed:
            placed[reader].remove()
        placed[reader] = card = virtual_card(fob, reader)
        card.insert()
        anyio.run(until, reader, News.INSERTED, fob.atr)
        return card

    return place_and_wait
