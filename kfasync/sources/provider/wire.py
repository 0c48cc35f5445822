"""What station and worker say to each other: messages over a stream, and no secret in them.

    length(4, big-endian) || MessagePack of a Request or an Answer

Every seat has a stream of its own, on which a request is followed by its answer. What a lease
brings lies in the shared memory; a message says only how much of it there is.
"""

import socket
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

import msgspec

from kfasync.errors import ProviderError, SourceError, SourceUnavailableError
from kfasync.model import Outcome, Touched, Unit
from kfasync.sources.provider.context import PoolCounts
from kfasync.sources.provider.library import LibraryFacts
from kfasync.sources.provider.parcel import Slip

MESSAGE_MAX = 1024 * 1024  # the configuration is the largest thing that is ever said
READY = 0  # number of the answer that a worker gives, on its first seat, before any request

# Exit statuses of a worker (sysexits.h: EX_SOFTWARE, EX_OSERR, EX_IOERR): a fault of kfasync's,
# no memory as it must be, and descriptors that somebody has closed.
FAULT_OF_OURS, NO_MEMORY, DESCRIPTORS_GONE = 70, 71, 74

_PREFIX = 4
_CHUNK = 64 * 1024


class Open(msgspec.Struct, frozen=True, tag=True):
    """Load the library and open it with this configuration; the first request of all."""

    path: str
    sha256: str
    config: bytes


class Lease(msgspec.Struct, frozen=True, tag=True):
    """Lease content for this unit."""

    unit: Unit


class Commit(msgspec.Struct, frozen=True, tag=True):
    """The unit of this lease is done."""

    lease_id: str
    outcome: Outcome


class Abort(msgspec.Struct, frozen=True, tag=True):
    """The attempt with this lease ended without an outcome."""

    lease_id: str
    touched: Touched


class Count(msgspec.Struct, frozen=True, tag=True):
    """How much content is there?"""


class Close(msgspec.Struct, frozen=True, tag=True):
    """Close the context of this seat, if it has one."""


Call: TypeAlias = Open | Lease | Commit | Abort | Count | Close


class Request(msgspec.Struct, frozen=True):
    """A call with the number that its answer repeats."""

    number: int
    deadline_ms: int
    call: Call


class Cancel(msgspec.Struct, frozen=True):
    """Let this request of this seat come to an end; there is no answer."""

    seat: int
    number: int


class Opened(msgspec.Struct, frozen=True, tag=True):
    """The library is loaded and open."""

    facts: LibraryFacts

    @staticmethod
    def expect(result: "Result", _: object) -> LibraryFacts:
        """What the library says of itself, from the answer to :class:`Open`."""
        if not isinstance(result, Opened):
            raise ProviderError(None, "the process for the provider answered another question")
        return result.facts


class Granted(msgspec.Struct, frozen=True, tag=True):
    """A lease; its content lies in the seat."""

    slip: Slip


class Counted(msgspec.Struct, frozen=True, tag=True):
    """How much content there is."""

    counts: PoolCounts


class Done(msgspec.Struct, frozen=True, tag=True):
    """It has been done, and there is nothing else to say."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """An error of the library; ``breach`` says that it broke the rules."""

    text: str
    code: int | None
    retryable: bool
    pool_empty: bool = False

    @classmethod
    def of(cls, error: SourceError) -> "Refused":
        """What has to be said of an error."""
        code = error.code if isinstance(error, ProviderError) else None
        return cls(str(error), code, error.retryable, error.pool_empty)

    @property
    def breach(self) -> bool:
        """Whether the library broke the rules, so that it is to be started anew."""
        return self.code is None and not self.retryable

    def error(self) -> SourceError:
        """The error again."""
        if self.retryable:
            return SourceUnavailableError(self.text)
        return ProviderError(self.code, self.text, pool_empty=self.pool_empty)


Result: TypeAlias = Opened | Granted | Counted | Done | Refused


class Answer(msgspec.Struct, frozen=True):
    """The answer to a request.

    Attributes:
        printed: so many bytes appeared on stdout or stderr since this seat answered last, by
            whomever: nobody knows which of the calls that were on their way has printed them.
    """

    number: int
    printed: int
    result: Result


M = TypeVar("M", Request, Cancel, Answer)


class Wire(Generic[M]):
    """One end of a stream, on which messages of one kind arrive."""

    def __init__(self, stream: socket.socket, kind: type[M]) -> None:
        self._stream = stream
        self._decode: Callable[[bytes], M] = msgspec.msgpack.Decoder(kind).decode
        self._data = bytearray()

    def fileno(self) -> int:
        """For waiting until something arrives."""
        return self._stream.fileno()

    def send(self, message: Request | Cancel | Answer) -> None:
        """Send a message.

        Raises:
            ValueError: it is too large.
            OSError: the other side is gone.
        """
        data = msgspec.msgpack.encode(message)
        if len(data) > MESSAGE_MAX:
            raise ValueError(f"a message of {len(data)} bytes; {MESSAGE_MAX} is the most")
        self._stream.sendall(len(data).to_bytes(_PREFIX, "big") + data)

    def receive(self) -> M:
        """Wait for the next message.

        Raises:
            EOFError, OSError: the other side is gone; OSError with something unread.
            ValueError: what arrived is no message.
        """
        while (message := self._next()) is None:
            self._fill()
        return message

    def read(self) -> M | None:
        """Read once, where something has arrived; the next message if it is whole by then.

        Raises:
            EOFError, OSError, ValueError: as :meth:`receive`.
        """
        self._fill()
        return self._next()

    def _fill(self) -> None:
        chunk = self._stream.recv(_CHUNK)
        if not chunk:
            raise EOFError
        self._data += chunk

    def _next(self) -> M | None:
        if len(self._data) < _PREFIX:
            return None
        end = _PREFIX + int.from_bytes(self._data[:_PREFIX], "big")
        if end > _PREFIX + MESSAGE_MAX:
            raise ValueError("a message that is too large")
        if len(self._data) < end:
            return None
        data = bytes(self._data[_PREFIX:end])
        del self._data[:end]
        return self._decode(data)  # msgspec's errors are ValueErrors

    def close(self) -> None:
        """The other side reads the end of the stream."""
        self._stream.close()
