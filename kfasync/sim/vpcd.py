"""A simulated fob on a virtual reader: the card's side of vpcd, the virtual PC/SC driver.

vpcd listens, the card connects. Every message is a length of two bytes, big-endian, and as
many bytes; a message of one byte is a control of the reader, anything longer a command APDU.
"""

import enum
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

from kfasync.errors import ReaderError
from kfasync.sim.faults import Hung, TornOff

LOOPBACK = "127.0.0.1"
PORT = 35963  # vpcd's own default

# pcscd asks each reader every 400 ms whether a card is there; what is shorter it never sees.
_AWAY_S = 1.0


class Fob(Protocol):
    """What can be placed on a virtual reader."""

    @property
    def atr(self) -> bytes:
        """Answer to reset."""
        ...

    def reset(self) -> None:
        """Lose all volatile state, as every fob does without power."""
        ...

    def transmit(self, command: bytes) -> bytes:
        """Answer one command APDU; TornOff and Hung are answers too, of a kind."""
        ...

    def seconds(self, command: bytes, answer: bytes) -> float:
        """How long this answer takes."""
        ...


class _Control(enum.IntEnum):
    POWER_OFF = 0
    POWER_ON = 1
    RESET = 2
    GET_ATR = 4


class VirtualCard:
    """A fob that is placed on a virtual reader and taken away again.

    Args:
        fob: answers the commands, in a thread of its own.
        port: the virtual reader, as vpcd listens.
    """

    def __init__(self, fob: Fob, port: int, host: str = LOOPBACK) -> None:
        self._fob = fob
        self._address = (host, port)
        self._leaving = threading.Event()
        self._guard = threading.Lock()  # of the connection, which two threads use
        self._connection: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def is_inserted(self) -> bool:
        """Whether the fob is in the field: not before insert, no longer once it was torn off."""
        return self._thread is not None and self._thread.is_alive()

    def insert(self, *, unnoticed: bool = False) -> None:
        """Place the fob; pcscd notices within 800 ms.

        Args:
            unnoticed: place it so soon after the last one left that pcscd, which looks every
                400 ms, may take the two for one. Otherwise it finds the reader empty first.

        Raises:
            ReaderError: nothing listens at the port.
        """
        self.remove()
        self._leaving.clear()
        self._fob.reset()
        connection = self._connection = _connect(self._address)
        self._thread = threading.Thread(
            target=self._stay,
            args=(connection, unnoticed),
            name=f"fob at {self._address[1]}",
            daemon=True,
        )
        self._thread.start()

    def remove(self) -> None:
        """Take the fob away; harmless when it is not there."""
        if self._thread is None:
            return
        with self._guard:
            self._leaving.set()
            if self._connection is not None:
                with suppress(OSError):  # torn off already, or vpcd went first
                    self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._thread = self._connection = None

    def _stay(self, connection: socket.socket, unnoticed: bool) -> None:
        if not unnoticed:
            # Only the look every 400 ms takes a connection, and its first question is for
            # the ATR. A connection that ends at that question is an empty reader to it.
            with connection:
                _receive(connection)
            with self._guard:
                if self._leaving.is_set():
                    return
                try:
                    connection = self._connection = _connect(self._address)
                except ReaderError:
                    return  # vpcd went away just now, and the reader with it
        serve(connection, self._fob, self._leaving)

    def __enter__(self) -> Self:
        self.insert()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()


def serve(connection: socket.socket, fob: Fob, leaving: threading.Event) -> None:
    """Answer until the fob leaves or vpcd goes away; closes the connection."""
    with connection:
        while message := _receive(connection):
            if len(message) == 1:
                if message[0] == _Control.GET_ATR:
                    # Asked all the time, also of a fob without power: it is how vpcd finds
                    # out that the fob is still there.
                    _send(connection, fob.atr)
                else:
                    fob.reset()
                continue
            try:
                answer = fob.transmit(message)
            except TornOff:
                return
            except Hung:
                _fall_silent(connection)
                return
            if leaving.wait(fob.seconds(message, answer)):
                return
            _send(connection, answer)


def serve_forever(fob: Fob, host: str = LOOPBACK, port: int = PORT) -> None:
    """Keep a fob on a virtual reader until KeyboardInterrupt, which ends it without an error.

    A fob that was torn off is placed again after a second, and a vpcd that went away is
    waited for.

    Raises:
        ReaderError: nothing listens there to begin with.
    """
    never = threading.Event()
    connection: socket.socket | None = _connect((host, port))
    try:
        while True:
            if connection is not None:
                fob.reset()
                serve(connection, fob, never)
            never.wait(_AWAY_S)
            try:
                connection = _connect((host, port))
            except ReaderError:
                connection = None
    except KeyboardInterrupt:
        return


def _connect(address: tuple[str, int]) -> socket.socket:
    try:
        connection = socket.create_connection(address)
    except OSError as error:
        host, port = address
        raise ReaderError(
            f"no virtual reader listens at {host}:{port}: start pcscd with the vpcd driver "
            "(apt install pcscd vsmartcard-vpcd)"
        ) from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _fall_silent(connection: socket.socket) -> None:
    # Reading on, and not only waiting, is what notices that the other side has gone.
    while _receive(connection):
        pass


def _send(connection: socket.socket, payload: bytes) -> None:
    with suppress(OSError):  # the next receive says so too, and ends the loop
        # In one piece: two small writes would meet Nagle's algorithm.
        connection.sendall(len(payload).to_bytes(2, "big") + payload)


def _receive(connection: socket.socket) -> bytes:
    """One message, or nothing when the connection has ended."""
    header = _receive_exactly(connection, 2)
    return _receive_exactly(connection, int.from_bytes(header, "big"))


def _receive_exactly(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        try:
            _acknowledge_at_once(connection)
            piece = connection.recv(length - len(received))
        except OSError:
            return b""
        if not piece:
            return b""
        received += piece
    return bytes(received)


def _acknowledge_at_once(connection: socket.socket) -> None:
    # vpcd writes length and payload separately, so Nagle's algorithm holds the payload back
    # until the length is acknowledged, and a delayed acknowledgement takes 40 ms: 44 ms an
    # APDU. The kernel forgets the option with every segment, hence before every receive.
    if hasattr(socket, "TCP_QUICKACK"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
