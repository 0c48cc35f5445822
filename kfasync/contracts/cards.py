"""Who the bytes go to: readers, the fobs on them, and the news of both.

Everything that blocks is a plain function and is called from a worker thread; one thread
at a time talks to one reader. `kfasync.cards.pcsc` implements this on PC/SC and
`kfasync.sim.reader` in memory.
"""

import enum
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec


class News(enum.Enum):
    """What can happen to a reader. A reader that is there starts out EMPTY or with INSERTED."""

    INSERTED = "inserted"
    EMPTY = "empty"
    GONE = "gone"


class ReaderEvent(msgspec.Struct, frozen=True):
    """One change of one reader; ``atr`` only with INSERTED."""

    reader: str
    news: News
    atr: bytes = b""


class Card(Protocol):
    """A conversation with the fob on one reader, held by one thread at a time."""

    @property
    def atr(self) -> bytes:
        """Answer to reset; a contactless fob has one too (PC/SC part 3, 3.1.3.2.3)."""
        ...

    def transmit(self, command: bytes) -> bytes:
        """Send one command APDU and return data field || SW1 || SW2; blocks.

        Raises:
            LinkError: no answer will come: fob, reader or daemon are gone.
            HungCardError: :meth:`Reader.sever` cut the link while this waited.
        """
        ...

    def close(self) -> None:
        """End the conversation and reset the fob, so that its secure channel dies too."""
        ...


class Reader(Protocol):
    """One reader."""

    @property
    def name(self) -> str:
        """As PC/SC calls it."""
        ...

    def connect(self) -> Card:
        """Power the fob and take it for oneself; blocks.

        Raises:
            LinkError: no fob, or it cannot be reached now.
            ReaderError: the reader is gone, held by somebody else, or PC/SC is not running.
        """
        ...

    def sever(self) -> None:
        """Free a thread that hangs in :meth:`Card.transmit` or :meth:`connect`; from any thread."""
        ...

    def close(self) -> None:
        """Let go of what is kept from one conversation to the next; it may be connected again.

        When no thread is in this reader any more; does not wait for anybody.
        """
        ...


class Readers(Protocol):
    """All readers of one kind."""

    def names(self) -> list[str]:
        """Those that are there now; blocks. ReaderError when PC/SC cannot be asked."""
        ...

    def reader(self, name: str) -> Reader:
        """A handle on a reader, which need not be there yet; does not block."""
        ...

    def watch(self) -> AbstractAsyncContextManager[AsyncIterator[ReaderEvent]]:
        """All news of all readers, beginning with how they stand now.

        Outlives a restart of the daemon: readers are GONE meanwhile.
        """
        ...
