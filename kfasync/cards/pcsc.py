"""PC/SC: real readers, by the low-level calls of pyscard.

Written against pcsc-lite, whose habits explain most of what is odd here:

- A context has one mutex. A second call on a busy context waits for it, and holds a mutex of
  the whole process meanwhile: every reader freezes. So one thread at a time uses a context.
- SCardTransmit on a card that hangs never returns, and SCardCancel reports success without
  doing anything about it. What ends it is shutting down the context's socket to the daemon.
- A context survives neither that nor a restart of the daemon, though SCardIsValidContext goes
  on calling it valid. So one that has seen an error is never used again, and one that refuses
  to begin a conversation is replaced at once by a new one.
- After an error the same handle can silently reach the *next* fob. So the first error ends
  the conversation.
"""

import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, suppress

from kfasync.cards.context import Context, library
from kfasync.cards.refusal import Refusal, ReturnCode
from kfasync.cards.watch import watch
from kfasync.contracts.cards import ReaderEvent
from kfasync.errors import HungCardError, KfError, LinkError, ReaderError


class PcscReaders:
    """The readers that PC/SC knows; implements `kfasync.contracts.cards.Readers`.

    Args:
        patience_s: how long to wait for their names, which takes milliseconds.
    """

    def __init__(self, patience_s: float = 5.0) -> None:
        self._patience_s = patience_s

    def names(self) -> list[str]:
        """Those that are there now; blocks, for ``patience_s`` at most.

        Raises:
            ReaderError: PC/SC cannot be asked, or does not answer.
        """
        context = Context("all readers")
        # A daemon that is stopped takes the connection and never answers.
        watchdog = threading.Timer(self._patience_s, context.abort)
        watchdog.daemon = True
        watchdog.start()
        try:
            context.establish()
            return context.names()
        except HungCardError as error:
            raise ReaderError(
                f"PC/SC has not answered for {self._patience_s:g} s; restart pcscd"
            ) from error
        finally:
            context.release()
            watchdog.cancel()

    def reader(self, name: str) -> "PcscReader":
        """A handle on a reader, which need not be there yet; does not block."""
        return PcscReader(name)

    def watch(self) -> AbstractAsyncContextManager[AsyncIterator[ReaderEvent]]:
        """All news of all readers, beginning with how they stand now.

        Outlives a restart of the daemon, and a daemon that is still to come.

        Raises:
            ReaderError: pyscard or the PC/SC library is not installed.
        """
        library()
        return watch(lambda: Context("all readers"))


class PcscReader:
    """One PC/SC reader; implements `kfasync.contracts.cards.Reader`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._context: Context | None = None
        self._hung = False  # a fob was cut off here and may hold the reader until it leaves

    @property
    def name(self) -> str:
        """As PC/SC calls it."""
        return self._name

    def connect(self) -> "PcscCard":
        """Power the fob and take it for oneself; blocks.

        Raises:
            LinkError: no fob, or it cannot be reached now.
            ReaderError: the reader is gone, held by somebody else, or PC/SC is not running.
        """
        kept = self._context
        self._hung = self._hung or (kept is not None and kept.severed)
        # To make a context costs more than three commands to the fob.
        card = self._on(kept) if kept is not None and kept.handle is not None else None
        if card is None:
            context = self._context = Context(self._name)
            with ExitStack() as undo:
                undo.callback(context.release)
                context.establish()
                try:
                    card = PcscCard(self._name, context)
                except Refusal as refusal:
                    raise self._why_not(refusal, context) from refusal
                undo.pop_all()
        self._hung = False
        return card

    def close(self) -> None:
        """Let go of PC/SC, when no thread is in this reader any more; harmless when done before."""
        context, self._context = self._context, None
        if context is not None and context.handle is not None:
            # Cut first: a daemon that is stopped would never answer a farewell.
            context.abort()
            context.release()

    def sever(self) -> None:
        """Free a thread that hangs in this reader; from any thread, harmless when none does.

        On Linux the socket on which the call waits is shut down, which ends it at once.
        Elsewhere this is SCardCancel, which ends no transmit: there the thread comes back
        when the driver's own patience ends, with the driver's error.
        """
        context = self._context
        if context is not None:
            context.sever()

    def _on(self, kept: "Context") -> "PcscCard | None":
        """The conversation on the context of the last one; None when that is of no more use."""
        with ExitStack() as undo:
            undo.callback(kept.release)
            with suppress(Refusal):
                card = PcscCard(self._name, kept)
                undo.pop_all()
                return card
        return None

    def _why_not(self, refusal: Refusal, context: "Context") -> KfError:
        if refusal.code == ReturnCode.UNKNOWN_READER:
            there = ", ".join(context.names()) or "none"
            return ReaderError(f"{refusal.sentence(self._name)}. Readers that are there: {there}")
        if refusal.code == ReturnCode.SHARING_VIOLATION and self._hung:
            return LinkError(f"{self._name}: the fob that hung still holds it: take it away")
        kind = ReaderError if refusal.blames_reader else LinkError
        return kind(refusal.sentence(self._name))


class PcscCard:
    """The conversation with one fob; implements `kfasync.contracts.cards.Card`."""

    def __init__(self, name: str, context: "Context") -> None:
        scard = library()
        self._name = name
        self._context = context
        self._over = False
        self._handle, protocol = context.call(
            "SCardConnect",
            context.handle,
            name,
            scard.SCARD_SHARE_EXCLUSIVE,
            scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1,
        )
        t0 = protocol == scard.SCARD_PROTOCOL_T0
        self._pci = scard.SCARD_PCI_T0 if t0 else scard.SCARD_PCI_T1
        *_, atr = context.call("SCardStatus", self._handle)
        self._atr = bytes(atr)

    @property
    def atr(self) -> bytes:
        """Answer to reset; a contactless fob has one too (PC/SC part 3, 3.1.3.2.3)."""
        return self._atr

    def transmit(self, command: bytes) -> bytes:
        """Send one command APDU and return data field || SW1 || SW2; blocks.

        Raises:
            LinkError: no answer will come, now or to any later command of this conversation.
            HungCardError: :meth:`PcscReader.sever` cut the link while this waited.
        """
        if self._over:
            raise LinkError(f"{self._name}: this conversation is over: connect again")
        try:
            (answer,) = self._context.call("SCardTransmit", self._handle, self._pci, list(command))
        except Refusal as refusal:
            self._over = True
            raise LinkError(refusal.sentence(self._name)) from refusal
        if len(answer) < 2:
            # What pcsc-lite calls a success when the fob leaves while it is being spoken to.
            self._over = True
            raise LinkError(f"{self._name}: the fob left before it answered: place it again")
        return bytes(answer)

    def close(self) -> None:
        """End the conversation and reset the fob, so that its secure channel dies too."""
        scard = library()
        # A fob that broke off has lost its power. Resetting it nevertheless makes pcscd note
        # it as absent behind the back of its own polling thread, and a fob that is there at
        # the next poll, 400 ms later at most, is then never announced.
        disposition = scard.SCARD_LEAVE_CARD if self._over else scard.SCARD_RESET_CARD
        with ExitStack() as undo:
            undo.callback(self._context.release)
            with suppress(Refusal, HungCardError):  # a fob that has gone is as reset as can be
                self._context.call("SCardDisconnect", self._handle, disposition)
                if not self._over:
                    undo.pop_all()  # the reader's next conversation has it
        self._over = True
