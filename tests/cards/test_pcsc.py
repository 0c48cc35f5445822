import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from kfasync.cards.pcsc import PcscReader, PcscReaders
from kfasync.contracts.cards import Card, News, ReaderEvent
from kfasync.errors import HungCardError, LinkError, ReaderError
from kfasync.sim.pcscd import SOCKET_VARIABLE, PrivatePcscd
from kfasync.sim.vpcd import VirtualCard
from tests.pcsc_fixtures import HANG, PATIENCE_S, TEAR, EchoFob, Place, until

SELECT = bytes.fromhex("00A4040005A000000857")
OTHER_ATR = "3B8580014A434F503426"


@pytest.fixture
def first(pcscd: PrivatePcscd) -> str:
    return pcscd.reader_names[0]


@pytest.fixture
def second(pcscd: PrivatePcscd) -> str:
    return pcscd.reader_names[1]


@pytest.fixture
def reader(readers: PcscReaders, first: str) -> Iterator[PcscReader]:
    with closing(readers.reader(first)) as reader:
        yield reader


async def next_news(events: AsyncIterator[ReaderEvent], reader: str) -> ReaderEvent:
    with anyio.fail_after(PATIENCE_S):
        async for event in events:
            if event.reader == reader:
                return event
    raise AssertionError("the news ended")


async def in_thread(function: Callable[[], None]) -> None:
    await anyio.to_thread.run_sync(function)


def result_once_severed(reader: PcscReader, call: "Future[Card]") -> Card:
    """Sever again and again: the call may not have begun to hang yet."""
    while True:
        reader.sever()
        try:
            return call.result(timeout=0.02)
        except TimeoutError:
            continue


def links() -> set[str]:
    """The sockets of this process, a duplicate counted once."""
    paths = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return {name for name in (str(path.readlink()) for path in paths) if name[:7] == "socket:"}


def sockets() -> int:
    return len(links())


# --------------------------------------------------------------------------- readers


def test_the_names_are_those_of_the_virtual_readers(
    readers: PcscReaders, pcscd: PrivatePcscd
) -> None:
    assert readers.names() == pcscd.reader_names


def test_an_unknown_reader_is_told_with_those_that_are_there(
    readers: PcscReaders, pcscd: PrivatePcscd
) -> None:
    with pytest.raises(ReaderError, match="no such reader") as caught:
        readers.reader("Elsewhere 00 00").connect()
    assert "Elsewhere 00 00" in str(caught.value)
    assert all(name in str(caught.value) for name in pcscd.reader_names)


def test_an_empty_reader_is_a_link_error(reader: PcscReader) -> None:
    with pytest.raises(LinkError, match="Virtual 00 00 00: no fob on it"):
        reader.connect()


ASK = """
from kfasync.cards.pcsc import PcscReaders
from kfasync.errors import ReaderError
try:
    PcscReaders().names()
except ReaderError as error:
    raise SystemExit(str(error))
"""


def ask_elsewhere(**environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_daemon_the_error_says_what_to_install_and_start(tmp_path: Path) -> None:
    asked = ask_elsewhere(**{SOCKET_VARIABLE: str(tmp_path / "pcscd.comm")})
    assert asked.returncode == 1
    assert asked.stdout == ""
    assert "apt install pcscd libpcsclite1" in asked.stderr
    assert "systemctl start pcscd.socket" in asked.stderr


def test_without_the_library_nothing_reaches_standard_output(tmp_path: Path) -> None:
    # The loader takes the first one it finds, and this is none.
    (tmp_path / "libpcsclite.so.1").touch()
    asked = ask_elsewhere(LD_LIBRARY_PATH=str(tmp_path))
    assert asked.returncode == 1
    assert asked.stdout == ""
    assert "apt install pcscd libpcsclite1" in asked.stderr


def test_sixteen_readers_are_watched_in_one_pcscd(
    pcscd: PrivatePcscd, readers: PcscReaders
) -> None:
    pcscd.stop()
    with PrivatePcscd(pcscd.directory, 16) as many:
        assert readers.names() == many.reader_names
        assert len(many.reader_names) == 16
        fobs = {name: EchoFob() for name in (many.reader_names[0], many.reader_names[15])}
        for name, fob in fobs.items():
            with VirtualCard(fob, many.port(name)):
                anyio.run(until, name, News.INSERTED)
                with closing(readers.reader(name)) as reader, closing(reader.connect()) as card:
                    assert card.transmit(SELECT) == SELECT + b"\x90\x00"
        assert [fob.commands for fob in fobs.values()] == [[SELECT], [SELECT]]


# ---------------------------------------------------------------------- conversations


@pytest.mark.parametrize("length", [4, 261, 262, 65_535])
def test_a_command_and_its_answer_pass_whole(
    reader: PcscReader, place: Place, first: str, length: int
) -> None:
    class Mirror(EchoFob):
        def transmit(self, command: bytes) -> bytes:
            self.commands.append(command)
            return command[:1:-1] + b"\x90\x00"

    fob = Mirror()
    place(fob, first)
    card = reader.connect()
    command = b"\x00\xd6" + bytes(i % 251 for i in range(length - 2))
    assert card.transmit(command) == command[:1:-1] + b"\x90\x00"
    assert fob.commands == [command]
    card.close()


def test_a_card_has_the_atr_of_its_fob(reader: PcscReader, place: Place, first: str) -> None:
    place(EchoFob(OTHER_ATR), first)
    card = reader.connect()
    assert card.atr == bytes.fromhex(OTHER_ATR)
    card.close()


def test_closing_resets_the_fob(reader: PcscReader, place: Place, first: str) -> None:
    fob = EchoFob()
    place(fob, first)
    card = reader.connect()
    before = fob.resets
    card.close()
    # The next conversation comes after the reset in vpcd's stream, and so is proof of it.
    card = reader.connect()
    card.transmit(SELECT)
    assert fob.resets == before + 1
    card.close()


def test_a_reader_is_for_one_at_a_time(
    readers: PcscReaders, reader: PcscReader, place: Place, first: str
) -> None:
    place(EchoFob(), first)
    card = reader.connect()
    with pytest.raises(ReaderError, match="held by another program"):
        readers.reader(first).connect()
    card.close()
    with closing(readers.reader(first)) as other:
        other.connect().close()


def test_a_fob_that_leaves_during_a_command_ends_the_conversation(
    reader: PcscReader, place: Place, first: str
) -> None:
    place(EchoFob(), first)
    card = reader.connect()
    with pytest.raises(LinkError):
        card.transmit(TEAR)
    with pytest.raises(LinkError, match="this conversation is over"):
        card.transmit(SELECT)
    card.close()
    card.close()


def test_an_old_conversation_never_reaches_the_next_fob(
    reader: PcscReader, place: Place, first: str
) -> None:
    old, new = EchoFob(), EchoFob(OTHER_ATR)
    place(old, first)
    card = reader.connect()
    place(new, first)
    for _ in range(3):
        with pytest.raises(LinkError):
            card.transmit(SELECT)
    card.close()
    assert new.commands == []
    card = reader.connect()
    assert card.atr == new.atr
    assert card.transmit(SELECT) == SELECT + b"\x90\x00"
    card.close()


def test_a_swap_that_pcscd_overlooked_ends_the_conversation_too(
    virtual_card: Place, reader: PcscReader, place: Place, first: str
) -> None:
    new = virtual_card(EchoFob(OTHER_ATR), first)
    old = place(EchoFob(), first)
    card = reader.connect()
    old.remove()
    new.insert(unnoticed=True)
    for _ in range(3):
        with pytest.raises(LinkError):
            card.transmit(SELECT)
    card.close()
    new.remove()


def test_a_fob_that_takes_the_place_of_a_torn_one_at_once_can_be_reached(
    pcscd: PrivatePcscd, virtual_card: Place, reader: PcscReader, place: Place, first: str
) -> None:
    place(EchoFob(), first)
    card = reader.connect()
    with pytest.raises(LinkError):
        card.transmit(TEAR)
    card.close()
    fob = EchoFob()
    new = virtual_card(fob, first)
    new.insert(unnoticed=True)
    for _ in range(5):  # by then pcscd has drawn its conclusions from the first look
        assert fob.looks.acquire(timeout=PATIENCE_S)
    card = reader.connect()
    assert card.transmit(SELECT) == SELECT + b"\x90\x00"
    card.close()
    new.remove()


def test_conversations_leave_no_socket_behind(
    readers: PcscReaders, reader: PcscReader, place: Place, first: str
) -> None:
    place(EchoFob(), first)
    before = sockets()
    for _ in range(5):
        reader.connect().close()
        readers.names()
        with pytest.raises(ReaderError):
            readers.reader("Elsewhere").connect()
        assert sockets() == before + 1  # for the next conversation
    reader.close()
    reader.close()
    assert sockets() == before


def test_one_connection_to_pcscd_serves_conversation_after_conversation(
    pcscd: PrivatePcscd, reader: PcscReader, place: Place, first: str
) -> None:
    place(EchoFob(), first)
    used: set[str] = set()
    before = links()
    for _ in range(3):
        reader.connect().close()
        used |= links() - before
    assert len(used) == 1
    # Nothing is waited for at the end, though nobody answers.
    os.kill(pcscd.pid, signal.SIGSTOP)
    try:
        reader.close()
    finally:
        os.kill(pcscd.pid, signal.SIGCONT)
    assert links() == before
    # And a closed one is as good as new.
    reader.connect().close()


def test_a_connection_that_pcscd_has_forgotten_is_made_anew(
    pcscd: PrivatePcscd, virtual_card: Place, reader: PcscReader, first: str
) -> None:
    for end in (pcscd.restart, pcscd.kill):
        with virtual_card(EchoFob(), first):
            anyio.run(until, first, News.INSERTED)
            reader.connect().close()
        end()
        pcscd.start()
        with virtual_card(fob := EchoFob(), first):
            anyio.run(until, first, News.INSERTED)
            with closing(reader.connect()) as card:
                card.transmit(SELECT)
        assert fob.commands == [SELECT]


# --------------------------------------------------------------------------- severing


def test_severing_frees_a_hung_thread_while_another_reader_goes_on(
    readers: PcscReaders, reader: PcscReader, place: Place, first: str, second: str
) -> None:
    hanging, lively = EchoFob(), EchoFob()
    place(hanging, first)
    place(lively, second)
    before = sockets()
    lively_reader = readers.reader(second)
    hung, other = reader.connect(), lively_reader.connect()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(hung.transmit, HANG)
        assert hanging.hangs.wait(PATIENCE_S)
        assert other.transmit(SELECT) == SELECT + b"\x90\x00"
        reader.sever()
        with pytest.raises(HungCardError, match=first):
            answer.result(PATIENCE_S)
    assert other.transmit(SELECT) == SELECT + b"\x90\x00"
    with pytest.raises(HungCardError):
        hung.transmit(SELECT)
    other.close()
    hung.close()
    lively_reader.close()
    assert sockets() == before


def test_a_severed_reader_works_again_once_the_hung_fob_has_left(
    reader: PcscReader, place: Place, first: str
) -> None:
    hanging = EchoFob()
    held = place(hanging, first)
    card = reader.connect()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(card.transmit, HANG)
        assert hanging.hangs.wait(PATIENCE_S)
        reader.sever()
        with pytest.raises(HungCardError):
            answer.result(PATIENCE_S)
    card.close()
    for _ in range(2):
        with pytest.raises(LinkError, match="take it away"):
            reader.connect()
    held.remove()
    # pcscd looks every 400 ms: a fob that came in between would be no news.
    anyio.run(until, first, News.EMPTY)
    place(EchoFob(OTHER_ATR), first)
    card = reader.connect()
    assert card.transmit(SELECT) == SELECT + b"\x90\x00"
    card.close()


def test_severing_is_harmless_when_nothing_hangs(
    reader: PcscReader, place: Place, first: str
) -> None:
    reader.sever()
    place(EchoFob(), first)
    card = reader.connect()
    reader.sever()
    assert card.transmit(SELECT) == SELECT + b"\x90\x00"
    reader.sever()
    card.close()
    reader.sever()
    reader.connect().close()


def test_severing_frees_a_connect_that_hangs(
    pcscd: PrivatePcscd, reader: PcscReader, place: Place, first: str
) -> None:
    place(EchoFob(), first)
    before = sockets()
    os.kill(pcscd.pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(1) as pool:
            card: Future[Card] = pool.submit(reader.connect)
            with pytest.raises(HungCardError):
                result_once_severed(reader, card)
    finally:
        os.kill(pcscd.pid, signal.SIGCONT)
    assert sockets() == before
    reader.connect().close()


def test_a_daemon_that_is_stopped_is_not_waited_for(pcscd: PrivatePcscd) -> None:
    before = sockets()
    os.kill(pcscd.pid, signal.SIGSTOP)
    try:
        with pytest.raises(ReaderError, match=r"not answered for 0\.2 s; restart pcscd"):
            PcscReaders(patience_s=0.2).names()
    finally:
        os.kill(pcscd.pid, signal.SIGCONT)
    assert sockets() == before
    assert pcscd.reader_names[0] in PcscReaders().names()


# ------------------------------------------------------------------------------- news


@pytest.mark.anyio
async def test_a_watch_begins_with_how_things_stand(
    readers: PcscReaders, pcscd: PrivatePcscd, virtual_card: Place, first: str
) -> None:
    fob = EchoFob()
    with virtual_card(fob, first):
        await until(first, News.INSERTED)
        async with readers.watch() as events:
            begin = [await anext(events) for _ in pcscd.reader_names]
    assert begin[0] == ReaderEvent(first, News.INSERTED, fob.atr)
    assert begin[1:] == [ReaderEvent(name, News.EMPTY) for name in pcscd.reader_names[1:]]


@pytest.mark.anyio
async def test_a_watch_tells_of_fobs_and_not_of_conversations(
    readers: PcscReaders, reader: PcscReader, virtual_card: Place, first: str
) -> None:
    fob = EchoFob()
    card = virtual_card(fob, first)

    def converse() -> None:
        for _ in range(3):
            conversation = reader.connect()
            conversation.transmit(SELECT)
            conversation.close()

    async with readers.watch() as events:
        assert await next_news(events, first) == ReaderEvent(first, News.EMPTY)
        card.insert()
        assert await next_news(events, first) == ReaderEvent(first, News.INSERTED, fob.atr)
        await in_thread(converse)
        await in_thread(card.remove)
        assert await next_news(events, first) == ReaderEvent(first, News.EMPTY)


@pytest.mark.anyio
async def test_a_quick_swap_is_a_removal_and_an_insertion(
    readers: PcscReaders, virtual_card: Place, first: str
) -> None:
    old, new = EchoFob(), EchoFob(OTHER_ATR)
    cards = [virtual_card(fob, first) for fob in (old, new)]
    async with readers.watch() as events:
        assert await next_news(events, first) == ReaderEvent(first, News.EMPTY)
        cards[0].insert()
        assert await next_news(events, first) == ReaderEvent(first, News.INSERTED, old.atr)
        cards[0].remove()
        cards[1].insert()
        assert await next_news(events, first) == ReaderEvent(first, News.EMPTY)
        assert await next_news(events, first) == ReaderEvent(first, News.INSERTED, new.atr)
        await in_thread(cards[1].remove)
        assert await next_news(events, first) == ReaderEvent(first, News.EMPTY)


@pytest.mark.anyio
async def test_a_swap_while_the_watch_was_kept_busy_is_not_lost(
    readers: PcscReaders, virtual_card: Place, first: str, second: str
) -> None:
    old, new, elsewhere = EchoFob(), EchoFob(OTHER_ATR), EchoFob()
    cards = [virtual_card(fob, first) for fob in (old, new)]
    busy = virtual_card(elsewhere, second)

    def hold_up_the_loop() -> None:
        # In a thread that is waited for here, on the loop's own: no news gets through, and
        # the watch's thread waits with the first that it has.
        def swap() -> None:
            busy.insert()
            anyio.run(until, second, News.INSERTED)
            cards[0].remove()
            anyio.run(until, first, News.EMPTY)
            cards[1].insert()
            anyio.run(until, first, News.INSERTED, new.atr)

        thread = threading.Thread(target=swap)
        thread.start()
        thread.join()

    cards[0].insert()
    await until(first, News.INSERTED)
    async with readers.watch() as events:
        assert await next_news(events, first) == ReaderEvent(first, News.INSERTED, old.atr)
        hold_up_the_loop()
        assert await next_news(events, first) == ReaderEvent(first, News.EMPTY)
        assert await next_news(events, first) == ReaderEvent(first, News.INSERTED, new.atr)
        await in_thread(cards[1].remove)
        await in_thread(busy.remove)
        assert await next_news(events, first) == ReaderEvent(first, News.EMPTY)


@pytest.mark.anyio
async def test_a_daemon_that_dies_and_comes_back(
    readers: PcscReaders, reader: PcscReader, pcscd: PrivatePcscd, virtual_card: Place, first: str
) -> None:
    fob = EchoFob()
    placed = virtual_card(fob, first)

    def die_mid_transmit() -> None:
        card = reader.connect()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(card.transmit, HANG)
            assert fob.hangs.wait(PATIENCE_S)
            pcscd.kill()
            with pytest.raises(LinkError, match="daemon broke"):
                answer.result(PATIENCE_S)
        card.close()
        with pytest.raises(ReaderError, match="PC/SC does not answer"):
            reader.connect()
        with pytest.raises(ReaderError, match="PC/SC does not answer"):
            readers.names()

    def converse() -> None:
        card = reader.connect()
        assert card.transmit(SELECT) == SELECT + b"\x90\x00"
        card.close()

    placed.insert()
    await until(first, News.INSERTED)
    async with readers.watch() as events:
        assert (await next_news(events, first)).news is News.INSERTED
        await in_thread(die_mid_transmit)
        assert await next_news(events, first) == ReaderEvent(first, News.GONE)
        await in_thread(pcscd.start)
        assert await next_news(events, first) == ReaderEvent(first, News.EMPTY)
        placed.insert()
        assert await next_news(events, first) == ReaderEvent(first, News.INSERTED, fob.atr)
        await in_thread(converse)
        await in_thread(placed.remove)
        assert await next_news(events, first) == ReaderEvent(first, News.EMPTY)


@pytest.mark.anyio
async def test_a_watch_may_begin_before_the_daemon(
    readers: PcscReaders, pcscd: PrivatePcscd, first: str
) -> None:
    pcscd.stop()
    async with readers.watch() as events:
        with pytest.raises(ReaderError):
            await anyio.to_thread.run_sync(readers.names)
        await in_thread(pcscd.start)
        assert await next_news(events, first) == ReaderEvent(first, News.EMPTY)


@pytest.mark.anyio
async def test_a_cancelled_watch_ends_and_leaves_nothing(readers: PcscReaders) -> None:
    before = sockets()
    with anyio.CancelScope() as scope:
        async with readers.watch() as events:
            async for event in events:
                if event.news is News.EMPTY:
                    scope.cancel()
    assert scope.cancelled_caught
    assert sockets() == before


@pytest.mark.anyio
async def test_an_error_leaves_a_watch_as_itself(readers: PcscReaders) -> None:
    async def fail_while_watching() -> None:
        async with readers.watch() as events:
            await anext(events)
            raise KeyError

    with pytest.raises(KeyError):
        await fail_while_watching()


@pytest.mark.anyio
async def test_a_watch_ends_also_while_the_daemon_is_away_or_hangs(
    readers: PcscReaders, pcscd: PrivatePcscd
) -> None:
    pcscd.stop()
    async with readers.watch():
        await anyio.lowlevel.checkpoint()
    pcscd.start()
    os.kill(pcscd.pid, signal.SIGSTOP)
    try:
        with anyio.fail_after(PATIENCE_S):
            async with readers.watch():
                await anyio.lowlevel.checkpoint()
    finally:
        os.kill(pcscd.pid, signal.SIGCONT)
