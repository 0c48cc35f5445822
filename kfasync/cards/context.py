"""One context of PC/SC, by the low-level calls of pyscard; its oddities: `kfasync.cards.pcsc`."""

import ctypes
import functools
import importlib.util
import sys
from types import ModuleType
from typing import Any

from kfasync.cards.lifeline import Lifeline
from kfasync.cards.refusal import NO_PCSC, NO_PYSCARD, Refusal, ReturnCode
from kfasync.cards.watch import CHANGED
from kfasync.errors import ReaderError

_PNP = "\\\\?PnP?\\Notification"  # changes whenever a reader comes or goes
_MAX_STATES = 16  # in one SCardGetStatusChange of pcsc-lite


class Context:
    """One context, used by one thread but for sever and abort.

    Serves `kfasync.cards.watch` as its source of state words, too.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._scard = library()
        self._lifeline = Lifeline(label, self._cancel)
        self._pnp = 0
        self.handle: int | None = None

    @property
    def severed(self) -> bool:
        """Whether its link was cut."""
        return self._lifeline.cut

    def establish(self) -> None:
        """Connect to the daemon.

        Raises:
            ReaderError: there is no daemon.
            HungCardError: severed or aborted meanwhile.
        """
        with self._lifeline.making():
            code, handle = self._scard.SCardEstablishContext(self._scard.SCARD_SCOPE_USER)
            if code == 0:
                self.handle = handle
        if code != 0:
            raise ReaderError(NO_PCSC) from self._refusal(code)

    def names(self) -> list[str]:
        """The readers that are there."""
        try:
            (names,) = self.call("SCardListReaders", self.handle, [])
        except Refusal as refusal:
            if refusal.code == ReturnCode.NO_READERS_AVAILABLE:
                return []
            raise ReaderError(refusal.sentence(self._label)) from refusal
        return list(names)

    def wait(self, known: dict[str, int], timeout_ms: int) -> dict[str, tuple[int, bytes]]:
        """Wait until a reader's state word is not the known one, or readers come or go."""
        states = list(known.items())
        if len(states) < _MAX_STATES:  # with that many readers pcsc-lite takes no further one
            states.append((_PNP, self._pnp))
        try:
            (changed,) = self.call("SCardGetStatusChange", self.handle, timeout_ms, states)
        except Refusal as refusal:
            if refusal.code in (
                ReturnCode.TIMEOUT,
                ReturnCode.CANCELLED,
                ReturnCode.UNKNOWN_READER,
            ):
                return {}
            raise ReaderError(refusal.sentence(self._label)) from refusal
        words = {name: (state, bytes(atr)) for name, state, atr in changed}
        # Given back as it came, for both halves of the word say what is known of the readers.
        self._pnp = words.pop(_PNP, (0, b""))[0] & ~CHANGED
        return words

    def call(self, function: str, *arguments: object) -> list[Any]:
        """Call one function of PC/SC and return what it returns beside its code.

        Raises:
            Refusal: the code is not success.
            HungCardError: severed or aborted, before or while it waited.
        """
        with self._lifeline.call():
            result = getattr(self._scard, function)(*arguments)
        code, values = (result[0], result[1:]) if isinstance(result, list) else (result, [])
        if code != 0:
            self._lifeline.check()
            # The values are not looked at: they are memory that nobody has written to.
            raise self._refusal(code)
        # An answer that came just before the cut is an answer; the next call is refused.
        return values

    def release(self) -> None:
        """Disconnect from the daemon; harmless when done before, or never connected."""
        if self.handle is not None:
            with self._lifeline.call(last=True):
                # Frees its memory and its socket even when it fails.
                self._scard.SCardReleaseContext(self.handle)
            self.handle = None
        self._lifeline.close()

    def sever(self) -> None:
        """Cut the link if a call waits on it; from any thread."""
        self._lifeline.sever()

    def abort(self) -> None:
        """Make the call that waits, or else the next one, raise HungCardError; from any thread."""
        self._lifeline.abort()

    def _cancel(self) -> None:
        if self.handle is not None:
            self._scard.SCardCancel(self.handle)

    def _refusal(self, code: int) -> Refusal:
        return Refusal(code & 0xFFFFFFFF, self._scard.SCardGetErrorMessage(code))


@functools.cache
def library() -> ModuleType:
    """Import pyscard's low-level half, at the first use of PC/SC and not before.

    Without libpcsclite.so.1 its import would print a line on standard output, in the middle
    of what a program prints there; so that library is tried first.
    """
    if importlib.util.find_spec("smartcard") is None:
        raise ReaderError(NO_PYSCARD)
    try:
        if sys.platform == "linux":
            ctypes.CDLL("libpcsclite.so.1")
        import smartcard.scard
    except OSError as error:
        raise ReaderError(NO_PCSC) from error
    except ImportError as error:
        raise ReaderError(NO_PYSCARD) from error
    scard: ModuleType = smartcard.scard
    return scard
