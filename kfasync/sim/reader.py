"""SimulatedReaders: readers in memory, for fobs in memory.

They keep to the contracts of `kfasync.contracts.cards`.

Whoever plays the operator calls :meth:`SimulatedReaders.place`, `remove`, `unplug` and
`plug`, from any thread and from the event loop too: none of them ever waits for a fob. One
lock guards who lies where; it is never held while a fob computes or a link waits.
"""

import threading
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from kfasync.contracts.cards import News, ReaderEvent
from kfasync.errors import HungCardError, LinkError, ReaderError
from kfasync.sim.faults import Hung, TornOff
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.mailbox import Mailbox


class SimulatedCard:
    """The conversation with the fob on one reader, until it is closed or cut."""

    def __init__(self, reader: "SimulatedReader", fob: SimulatedFob) -> None:
        self._reader = reader
        self._fob = fob
        self._cut = threading.Event()
        self._cause: tuple[type[LinkError], str] = (LinkError, "the conversation is closed")

    @property
    def atr(self) -> bytes:
        """Answer to reset."""
        return self._fob.atr

    def transmit(self, command: bytes) -> bytes:
        """Send one command APDU and return the answer, after as long as the fob takes.

        Raises:
            LinkError: the fob or the reader is gone.
            HungCardError: the reader was severed.
        """
        try:
            # Under the antenna: whoever has the fob next resets it first, and a command that
            # came from here after that would be a ghost in the new conversation.
            with self._fob.antenna:
                if self._cut.is_set():
                    raise self._error()
                began = time.monotonic()
                answer = self._fob.transmit(command)
                # What this machine took to work it out is part of the time that the fob takes.
                left_s = began + self._fob.seconds(command, answer) - time.monotonic()
        except TornOff as torn:
            self._reader.lose(self)
            raise self._error() from torn
        except Hung as hung:
            self._cut.wait()
            raise self._error() from hung
        # The fob has done its work already. If the link is cut now, nobody hears of it, and
        # that is how a fob comes to be in doubt.
        if left_s > 0 and self._cut.wait(left_s):
            raise self._error()
        return answer

    def close(self) -> None:
        """End the conversation and reset the fob; does nothing to a link that was cut."""
        self.power_up()
        self._reader.release(self)

    def power_up(self) -> None:
        """Reset the fob, if it is still here."""
        with self._fob.antenna:
            if not self._cut.is_set():
                self._fob.reset()

    def cut(self, cause: type[LinkError], message: str) -> None:
        """End every wait in this conversation, now and from now on."""
        self._cause = (cause, message)
        self._cut.set()

    def _error(self) -> LinkError:
        cause, message = self._cause
        return cause(f"{self._reader.name}: {message}")


class SimulatedReader:
    """One reader, plugged in or not, with a fob on it or none.

    Every attribute with an underscore is read and written under the lock that all readers
    of a :class:`SimulatedReaders` share.
    """

    def __init__(self, name: str, readers: "SimulatedReaders") -> None:
        self._name = name
        self._readers = readers
        self._lock = readers.lock
        self._plugged = False
        self._fob: SimulatedFob | None = None
        self._card: SimulatedCard | None = None
        self._severed = False

    @property
    def name(self) -> str:
        """As it was given."""
        return self._name

    @property
    def plugged(self) -> bool:
        """Whether it is there."""
        return self._plugged

    @property
    def fob(self) -> SimulatedFob | None:
        """What lies on it."""
        return self._fob

    def connect(self) -> SimulatedCard:
        """Power the fob and take it for oneself.

        Raises:
            LinkError: no fob.
            ReaderError: the reader is gone, in use, or was severed with this fob on it.
        """
        with self._lock:
            if not self._plugged:
                raise ReaderError(f"{self._name}: no such reader is plugged in")
            if self._fob is None:
                raise LinkError(f"{self._name}: no fob on the reader")
            if self._severed:
                raise ReaderError(f"{self._name}: blocked by a hung fob; take the fob away")
            if self._card is not None:
                raise ReaderError(f"{self._name}: in use by another conversation")
            card = self._card = SimulatedCard(self, self._fob)
        card.power_up()
        return card

    def sever(self) -> None:
        """Free a thread that hangs in a transmit; the reader is blocked until the fob is gone."""
        with self._lock:
            if self._card is not None:
                self._end(HungCardError, "no answer in time; the link was cut")
                # As with PC/SC, where the reader stays taken by a context that is no more.
                self._severed = True

    def close(self) -> None:
        """Nothing is kept from one conversation to the next."""

    # ---------------------------------------------------------------- for the two neighbours

    def lose(self, card: SimulatedCard) -> None:
        """The fob of this conversation fell off by itself."""
        with self._lock:
            if self._card is card:
                self.lift()

    def release(self, card: SimulatedCard) -> None:
        """The conversation was closed."""
        with self._lock:
            if self._card is card:
                self._end(LinkError, "the conversation is closed")

    # The following are called by SimulatedReaders with the lock held.

    def put_down(self, fob: SimulatedFob) -> None:
        """Lay a fob on the reader."""
        if self._fob is not None:
            raise ValueError(f"{self._name}: there is a fob on the reader already")
        self._fob = fob
        self._tell()

    def lift(self) -> None:
        """Take the fob off, if there is one."""
        if self._fob is None:
            return
        self._end(LinkError, "the fob left the field")
        self._fob = None
        self._severed = False
        self._tell()

    def switch(self, *, plugged: bool) -> None:
        """Plug the reader in or out; a fob on it stays there."""
        if self._plugged == plugged:
            return
        self._end(LinkError, "the reader was unplugged")
        self._severed = False
        self._plugged = plugged
        if plugged:
            self._tell()
        else:
            self._readers.publish(ReaderEvent(self._name, News.GONE))

    def standing(self) -> ReaderEvent:
        """How things stand on a reader that is there."""
        if self._fob is None:
            return ReaderEvent(self._name, News.EMPTY)
        return ReaderEvent(self._name, News.INSERTED, self._fob.atr)

    def _tell(self) -> None:
        if self._plugged:
            self._readers.publish(self.standing())

    def _end(self, cause: type[LinkError], message: str) -> None:
        if self._card is not None:
            self._card.cut(cause, message)
            self._card = None


class SimulatedReaders:
    """All simulated readers of one desk.

    Args:
        names: those that are plugged in from the start.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.lock = threading.Lock()
        self._readers: dict[str, SimulatedReader] = {}
        self._watchers: list[Mailbox[ReaderEvent]] = []
        for name in names:
            self.plug(name)

    def names(self) -> list[str]:
        """Those that are there now."""
        with self.lock:
            return [name for name, reader in self._readers.items() if reader.plugged]

    def reader(self, name: str) -> SimulatedReader:
        """A handle on a reader, which need not be there yet."""
        with self.lock:
            return self._handle(name)

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[AsyncIterator[ReaderEvent]]:
        """All news of all readers, beginning with how they stand now."""
        mailbox = Mailbox[ReaderEvent]()
        with self.lock:
            for reader in self._readers.values():
                if reader.plugged:
                    mailbox.put(reader.standing())
            self._watchers.append(mailbox)
        try:
            yield mailbox
        finally:
            with self.lock:
                self._watchers.remove(mailbox)
                mailbox.close()

    def publish(self, event: ReaderEvent) -> None:
        """Tell every watcher; called with the lock held, so that news keep their order."""
        for mailbox in self._watchers:
            mailbox.put(event)

    # ------------------------------------------------------------------ the operator's hands

    def place(self, reader: str, fob: SimulatedFob) -> None:
        """Lay a fob on a reader.

        Raises:
            ValueError: no such reader, one lies there already, or this one lies elsewhere.
        """
        with self.lock:
            for other in self._readers.values():
                if other.fob is fob:
                    raise ValueError(f"{other.name}: this fob lies there already")
            self._known(reader).put_down(fob)

    def remove(self, reader: str) -> None:
        """Take the fob away; it may have fallen off already."""
        with self.lock:
            self._known(reader).lift()

    def unplug(self, reader: str) -> None:
        """Pull the reader's cable; a fob on it stays where it is."""
        with self.lock:
            self._known(reader).switch(plugged=False)

    def plug(self, reader: str) -> None:
        """Plug a reader in, a new one too."""
        with self.lock:
            self._handle(reader).switch(plugged=True)

    def _handle(self, name: str) -> SimulatedReader:
        return self._readers.setdefault(name, SimulatedReader(name, self))

    def _known(self, name: str) -> SimulatedReader:
        if name not in self._readers:
            raise ValueError(f"no simulated reader is called {name!r}")
        return self._readers[name]
