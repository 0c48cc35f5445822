import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import anyio
import pytest

from kfasync.cards.pcsc import PcscReaders
from kfasync.contracts.cards import News
from kfasync.errors import LinkError, ReaderError
from kfasync.sim.pcscd import PrivatePcscd
from kfasync.sim.vpcd import VirtualCard, serve, serve_forever
from tests.pcsc_fixtures import HANG, PATIENCE_S, TEAR, EchoFob, Place, until
from tests.processes import as_in_a_terminal

SELECT = bytes.fromhex("00A4040005A000000857")
POWER_OFF, POWER_ON, RESET, GET_ATR = b"\x00", b"\x01", b"\x02", b"\x04"


class SlowFob(EchoFob):
    """Takes a day for every answer."""

    def __init__(self) -> None:
        super().__init__()
        self.thinks = threading.Event()

    def seconds(self, command: bytes, answer: bytes) -> float:
        self.thinks.set()
        return 86_400.0


def say(reader: socket.socket, message: bytes) -> None:
    reader.sendall(len(message).to_bytes(2, "big") + message)


def hear(reader: socket.socket) -> bytes:
    """One message, or nothing at the end of the connection."""
    with reader.makefile("rb") as stream:
        return stream.read(int.from_bytes(stream.read(2), "big"))


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection: the reader's and the card's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        card = socket.create_connection(listening.getsockname())
        reader, _ = listening.accept()
    reader.settimeout(PATIENCE_S)
    with reader, card:
        yield reader, card


@contextmanager
def served(card: socket.socket, fob: EchoFob) -> Iterator[threading.Event]:
    leaving = threading.Event()
    thread = threading.Thread(target=serve, args=(card, fob, leaving))
    thread.start()
    try:
        yield leaving
    finally:
        leaving.set()
        with suppress(OSError):  # the thread was faster
            card.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


# ------------------------------------------------------------------------ the protocol


def test_the_atr_is_told_also_without_power(ends: tuple[socket.socket, socket.socket]) -> None:
    reader, card = ends
    fob = EchoFob()
    with served(card, fob):
        for control in (b"", POWER_ON, POWER_OFF, RESET):
            if control:
                say(reader, control)
            say(reader, GET_ATR)
            assert hear(reader) == fob.atr
        reader.close()
    assert fob.resets == 3


@pytest.mark.parametrize("length", [2, 255, 256, 65_533])
def test_commands_come_in_any_pieces(
    ends: tuple[socket.socket, socket.socket], length: int
) -> None:
    reader, card = ends
    command = bytes(i % 251 for i in range(length))
    with served(card, EchoFob()):
        for piece in (length.to_bytes(2, "big")[:1], length.to_bytes(2, "big")[1:], command):
            reader.sendall(piece)
        assert hear(reader) == command + b"\x90\x00"
        reader.close()


def test_a_torn_fob_ends_the_connection(ends: tuple[socket.socket, socket.socket]) -> None:
    reader, card = ends
    with served(card, EchoFob()):
        say(reader, TEAR)
        assert hear(reader) == b""


def test_a_hung_fob_answers_nothing_more_and_notices_when_the_reader_goes(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    reader, card = ends
    fob = EchoFob()
    with served(card, fob):
        say(reader, HANG)
        assert fob.hangs.wait(PATIENCE_S)
        say(reader, GET_ATR)
        reader.shutdown(socket.SHUT_WR)
        assert hear(reader) == b""
    assert fob.commands == [HANG]


def test_a_fob_may_leave_while_it_takes_its_time(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    reader, card = ends
    fob = SlowFob()
    with served(card, fob) as leaving:
        say(reader, SELECT)
        assert fob.thinks.wait(PATIENCE_S)
        leaving.set()
        assert hear(reader) == b""


@pytest.mark.parametrize("last_words", [b"", b"\x00", b"\x00\x05\x00"])
def test_a_reader_that_goes_in_the_middle_of_a_message_ends_it(
    ends: tuple[socket.socket, socket.socket], last_words: bytes
) -> None:
    reader, card = ends
    fob = EchoFob()
    with served(card, fob):
        reader.sendall(last_words)
        reader.close()
    assert fob.commands == []


def test_acknowledgements_are_never_delayed(ends: tuple[socket.socket, socket.socket]) -> None:
    # The kernel goes over to delayed ones by itself in such a dialogue. Their flag can be
    # read on the card's own socket, as soon as its thread waits for the next command.
    reader, card = ends
    with served(card, EchoFob()):
        for _ in range(8):
            say(reader, SELECT)
            assert hear(reader) == SELECT + b"\x90\x00"
        for _ in range(1_000_000):
            if card.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK):
                break
        else:
            pytest.fail("the kernel may delay the acknowledgement of the next command")
        reader.close()


# ------------------------------------------------------------------- on a real pcscd


def test_a_virtual_card_is_there_until_it_is_removed(pcscd: PrivatePcscd) -> None:
    name = pcscd.reader_names[0]
    card = VirtualCard(EchoFob(), pcscd.port(name))
    assert not card.is_inserted()
    with card:
        assert card.is_inserted()
        anyio.run(until, name, News.INSERTED)
        assert card.is_inserted()
    assert not card.is_inserted()
    anyio.run(until, name, News.EMPTY)
    card.remove()


def test_a_card_may_be_removed_before_pcscd_has_seen_it(pcscd: PrivatePcscd) -> None:
    fob = EchoFob()
    card = VirtualCard(fob, pcscd.port(pcscd.reader_names[0]))
    card.insert()
    card.remove()
    assert not card.is_inserted()
    assert fob.commands == []


def test_a_torn_fob_is_no_longer_inserted_and_can_be_placed_again(
    pcscd: PrivatePcscd, readers: PcscReaders, place: Place
) -> None:
    name = pcscd.reader_names[0]
    fob = EchoFob()
    card = place(fob, name)
    resets = fob.resets
    conversation = readers.reader(name).connect()
    with pytest.raises(LinkError):
        conversation.transmit(TEAR)
    conversation.close()
    anyio.run(until, name, News.EMPTY)
    assert not card.is_inserted()
    card.insert()
    anyio.run(until, name, News.INSERTED)
    assert fob.resets > resets


def nobody_listens() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_a_card_without_a_reader_says_what_to_start() -> None:
    port = nobody_listens()
    with pytest.raises(ReaderError, match=rf"127\.0\.0\.1:{port}.*apt install"):
        VirtualCard(EchoFob(), port).insert()
    with pytest.raises(ReaderError, match=rf"127\.0\.0\.1:{port}.*apt install"):
        serve_forever(EchoFob(), "127.0.0.1", port)


SERVE = """
import sys
from kfasync.sim.vpcd import serve_forever
from tests.pcsc_fixtures import EchoFob
serve_forever(EchoFob(), "127.0.0.1", int(sys.argv[1]))
"""


def test_a_served_fob_outlives_its_reader_and_ends_with_an_interrupt(
    pcscd: PrivatePcscd, readers: PcscReaders
) -> None:
    name = pcscd.reader_names[0]
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(pcscd.port(name))], preexec_fn=as_in_a_terminal
    ) as serving:
        try:
            anyio.run(until, name, News.INSERTED)
            pcscd.restart()
            anyio.run(until, name, News.INSERTED)
            conversation = readers.reader(name).connect()
            with pytest.raises(LinkError):
                conversation.transmit(TEAR)
            conversation.close()
            anyio.run(until, name, News.EMPTY)
            anyio.run(until, name, News.INSERTED)
            serving.send_signal(signal.SIGINT)
            assert serving.wait(PATIENCE_S) == 0
        finally:
            serving.kill()
    anyio.run(until, name, News.EMPTY)
