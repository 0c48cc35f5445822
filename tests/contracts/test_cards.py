"""What every implementation of `kfasync.contracts.cards` promises, over each of them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Protocol

import anyio
import pytest
from anyio import to_thread

from kfasync.cards.pcsc import PcscReaders
from kfasync.contracts.cards import News, Reader, ReaderEvent, Readers
from kfasync.errors import HungCardError, KfError, LinkError, ReaderError
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.pcscd import PrivatePcscd
from kfasync.sim.reader import SimulatedReaders
from kfasync.sim.vpcd import VirtualCard
from tests.sim.host import KEYS

pytestmark = pytest.mark.anyio

PATIENCE_S = 20.0
GET_UID = bytes.fromhex("FFCA000000")
GET_CPLC = bytes.fromhex("80CA9F7F00")  # a command that the fob itself answers
SELECT = bytes.fromhex("00A4040005A00000085700")
INITIALIZE_UPDATE = bytes.fromhex("8050000008010203040506070800")


class Desk(Protocol):
    """Readers under test, and the hands that place fobs on the first of them."""

    readers: Readers
    name: str
    closing: ExitStack

    def place(self, fob: SimulatedFob) -> None: ...

    def remove(self) -> None: ...


class SimulatedDesk:
    def __init__(self) -> None:
        self.name, self.closing = "A", ExitStack()
        self._simulated = SimulatedReaders([self.name])
        self.readers: Readers = self._simulated

    def place(self, fob: SimulatedFob) -> None:
        self._simulated.place(self.name, fob)

    def remove(self) -> None:
        self._simulated.remove(self.name)


class PcscDesk:
    def __init__(self, pcscd: PrivatePcscd) -> None:
        self.name, self.closing = pcscd.reader_names[0], ExitStack()
        self.readers: Readers = PcscReaders()
        self._port = pcscd.port(self.name)
        self._card: VirtualCard | None = None

    def place(self, fob: SimulatedFob) -> None:
        self.remove()
        self._card = VirtualCard(fob, self._port)
        self._card.insert()

    def remove(self) -> None:
        if self._card is not None:
            self._card.remove()


# An implementation is one more line here, and one class above.
@pytest.fixture(params=["simulated", "pcsc"])
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    if request.param == "simulated":
        with (simulated := SimulatedDesk()).closing:
            yield simulated
        return
    with (desk := PcscDesk(request.getfixturevalue("pcscd"))).closing:
        yield desk
        desk.remove()


def fob(*faults: Fault) -> SimulatedFob:
    return SimulatedFob(uid=b"\x04abcdef", keys=KEYS, faults=faults)


async def hear(events: AsyncIterator[ReaderEvent], desk: Desk, news: News) -> ReaderEvent:
    """The next news of the desk's reader, which are these."""
    with anyio.fail_after(PATIENCE_S):
        async for event in events:
            if event.reader == desk.name:
                assert event.news is news
                return event
    raise AssertionError("the news ended")


async def laid(desk: Desk, placed: SimulatedFob) -> Reader:
    """The reader, when it knows of the fob."""
    async with desk.readers.watch() as events:
        await hear(events, desk, News.EMPTY)
        desk.place(placed)
        await hear(events, desk, News.INSERTED)
    reader = desk.readers.reader(desk.name)
    desk.closing.callback(reader.close)
    return reader


async def test_a_watch_begins_with_how_things_stand_and_tells_every_change(desk: Desk) -> None:
    async with desk.readers.watch() as events:
        await hear(events, desk, News.EMPTY)
        for _ in range(2):
            desk.place(placed := fob())
            assert (await hear(events, desk, News.INSERTED)).atr == placed.atr
            async with desk.readers.watch() as later:
                await hear(later, desk, News.INSERTED)
            desk.remove()
            assert (await hear(events, desk, News.EMPTY)).atr == b""


async def test_the_names_are_those_of_the_readers(desk: Desk) -> None:
    names = await to_thread.run_sync(desk.readers.names)
    assert desk.name in names
    assert desk.readers.reader(desk.name).name == desk.name


async def test_a_fob_answers_with_data_and_status_word(desk: Desk) -> None:
    reader = await laid(desk, placed := fob())
    card = await to_thread.run_sync(reader.connect)
    assert card.atr == placed.atr
    answer = await to_thread.run_sync(card.transmit, GET_CPLC)
    assert (len(answer), answer[-2:]) == (47, b"\x90\x00")
    assert (await to_thread.run_sync(card.transmit, SELECT))[-2:] == b"\x90\x00"
    await to_thread.run_sync(card.close)


async def test_closing_resets_the_fob(desk: Desk) -> None:
    reader = await laid(desk, fob())
    for _ in range(2):
        card = await to_thread.run_sync(reader.connect)
        # Refused by a fob on which nothing is selected, whatever was so a moment ago.
        refused = await to_thread.run_sync(card.transmit, INITIALIZE_UPDATE)
        assert refused == bytes.fromhex("6D00")
        await to_thread.run_sync(card.transmit, SELECT)
        answer = await to_thread.run_sync(card.transmit, INITIALIZE_UPDATE)
        assert answer[-2:] == b"\x90\x00"
        await to_thread.run_sync(card.close)


async def test_a_reader_that_was_closed_can_be_connected_again(desk: Desk) -> None:
    reader = await laid(desk, fob())
    reader.close()
    for _ in range(2):
        card = await to_thread.run_sync(reader.connect)
        assert (await to_thread.run_sync(card.transmit, SELECT))[-2:] == b"\x90\x00"
        await to_thread.run_sync(card.close)
        reader.close()


async def test_without_a_fob_there_is_nobody_to_connect_to(desk: Desk) -> None:
    reader = desk.readers.reader(desk.name)
    with pytest.raises(LinkError):
        await to_thread.run_sync(reader.connect)


async def test_a_reader_that_does_not_exist_is_a_reader_error(desk: Desk) -> None:
    reader = desk.readers.reader("no such reader")
    with pytest.raises(ReaderError):
        await to_thread.run_sync(reader.connect)


async def test_a_fob_that_leaves_is_a_link_error_now_and_from_now_on(desk: Desk) -> None:
    reader = await laid(desk, fob())
    card = await to_thread.run_sync(reader.connect)
    await to_thread.run_sync(card.transmit, SELECT)
    async with desk.readers.watch() as events:
        await hear(events, desk, News.INSERTED)
        desk.remove()
        await hear(events, desk, News.EMPTY)
    for _ in range(2):
        with pytest.raises(LinkError):
            await to_thread.run_sync(card.transmit, SELECT)
    await to_thread.run_sync(card.close)


async def test_a_severed_thread_is_free_and_says_that_the_card_hung(desk: Desk) -> None:
    reader = await laid(desk, fob(Fault(FaultKind.HUNG, 2)))
    card = await to_thread.run_sync(reader.connect)
    await to_thread.run_sync(card.transmit, SELECT)
    freed = anyio.Event()
    errors: list[KfError] = []

    async def hang() -> None:
        with pytest.raises(HungCardError) as raised:
            await to_thread.run_sync(card.transmit, SELECT)
        errors.append(raised.value)
        freed.set()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hang)
            while not freed.is_set():
                # Again and again: the call may not have begun to hang yet.
                reader.sever()
                with anyio.move_on_after(0.02):
                    await freed.wait()
    assert errors[0].retryable
    await to_thread.run_sync(card.close)


async def test_severing_an_idle_reader_does_no_harm(desk: Desk) -> None:
    reader = await laid(desk, fob())
    reader.sever()
    card = await to_thread.run_sync(reader.connect)
    assert (await to_thread.run_sync(card.transmit, SELECT))[-2:] == b"\x90\x00"
    await to_thread.run_sync(card.close)
