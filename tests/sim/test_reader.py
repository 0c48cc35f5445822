from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Event, Thread
from typing import Any

import anyio
import anyio.to_thread
import pytest

from kfasync.contracts.cards import Card, News, Reader, ReaderEvent, Readers
from kfasync.errors import HungCardError, KfError, LinkError, ReaderError
from kfasync.sim.faults import Fault, FaultKind, Timing
from kfasync.sim.fob import CONTACTLESS_ATR, SimulatedFob
from kfasync.sim.reader import SimulatedReaders
from tests.sim.host import KEYS, SELECT, open_session

GET_UID = bytes.fromhex("FFCA000000")
INITIALIZE_UPDATE = bytes.fromhex("8050000008") + bytes(8)
AGES_S = 3600.0
PATIENCE_S = 30.0

INSERTED = partial(ReaderEvent, news=News.INSERTED, atr=CONTACTLESS_ATR)
EMPTY = partial(ReaderEvent, news=News.EMPTY)
GONE = partial(ReaderEvent, news=News.GONE)


def fob(last: int = 0, **arguments: Any) -> SimulatedFob:
    return SimulatedFob(uid=bytes(6) + bytes((last,)), keys=KEYS, **arguments)


def another_thread(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Run in a thread that a failing test leaves behind without waiting for it."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(function(*arguments))
        except KfError as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


@pytest.fixture
def readers() -> SimulatedReaders:
    return SimulatedReaders(["A", "B"])


# -------------------------------------------------------------------------- talking to a fob


def test_the_readers_keep_to_the_contracts(readers: SimulatedReaders) -> None:
    readers.place("A", fob())
    contract: Readers = readers  # the type checker's half of this test
    reader: Reader = contract.reader("A")
    card: Card = reader.connect()
    assert contract.names() == ["A", "B"]
    assert reader.name == "A"
    assert card.atr == CONTACTLESS_ATR


def test_a_whole_session_goes_through_a_reader(readers: SimulatedReaders) -> None:
    readers.place("A", fob(timing=Timing(command_s=2e-3)))
    card = readers.reader("A").connect()
    host = open_session(fob(), transmit=card.transmit)
    assert host.unwrap(card.transmit(host.wrap("80E20000", bytes(10)))) == (b"", 0x9000)


def test_a_reader_without_a_fob_gives_a_link_error(readers: SimulatedReaders) -> None:
    with pytest.raises(LinkError, match="A: no fob"):
        readers.reader("A").connect()


def test_a_reader_that_is_not_there_gives_a_reader_error(readers: SimulatedReaders) -> None:
    readers.place("A", fob())
    readers.unplug("A")
    assert readers.names() == ["B"]
    for name in ("A", "C"):
        with pytest.raises(ReaderError, match=f"{name}: no such reader"):
            readers.reader(name).connect()


def test_a_handle_may_be_older_than_its_reader(readers: SimulatedReaders) -> None:
    reader = readers.reader("C")
    readers.plug("C")
    readers.place("C", fob())
    assert reader.connect().transmit(GET_UID)[-2:] == b"\x90\x00"


def test_a_fob_is_for_one_conversation_at_a_time(readers: SimulatedReaders) -> None:
    readers.place("A", fob())
    reader = readers.reader("A")
    card = reader.connect()
    with pytest.raises(ReaderError, match="in use"):
        reader.connect()
    card.close()
    card.close()
    reader.connect()


def test_closing_resets_the_fob_and_ends_the_conversation(readers: SimulatedReaders) -> None:
    readers.place("A", placed := fob())
    card = readers.reader("A").connect()
    host = open_session(placed, transmit=card.transmit)
    card.close()
    assert placed.commands == 0
    with pytest.raises(LinkError, match="closed"):
        card.transmit(GET_UID)
    again = readers.reader("A").connect()
    again.transmit(SELECT)
    assert again.transmit(host.wrap("80E20000", bytes(10))) == bytes.fromhex("6982")


def test_a_fob_that_tears_off_is_gone_until_it_is_placed_again(readers: SimulatedReaders) -> None:
    placed = fob(faults=[Fault(FaultKind.TORN_BEFORE, 1)])
    readers.place("A", placed)
    reader = readers.reader("A")
    card = reader.connect()
    with pytest.raises(LinkError, match="left the field"):
        card.transmit(GET_UID)
    with pytest.raises(LinkError, match="no fob"):
        reader.connect()
    readers.remove("A")  # the operator's hand comes too late, and that is nothing bad
    readers.place("A", placed)
    assert reader.connect().transmit(GET_UID)[-2:] == b"\x90\x00"
    with pytest.raises(LinkError, match="left the field"):
        card.transmit(GET_UID)


@pytest.mark.parametrize("kind", [FaultKind.TORN_AFTER, FaultKind.SLOW])
def test_the_operator_waits_for_no_fob_and_may_be_first(
    readers: SimulatedReaders, kind: FaultKind
) -> None:
    def challenge(size: int) -> bytes:
        # In the middle of a computation: the fob moves to the next reader.
        readers.remove("A")
        readers.place("A", follower)
        readers.place("B", placed)
        return bytes(size)

    follower = fob(1)
    placed = fob(i_param=0x60, random=challenge, faults=[Fault(kind, 2, delay_s=AGES_S)])
    readers.place("A", placed)
    card = readers.reader("A").connect()
    card.transmit(SELECT)
    with pytest.raises(LinkError, match="left the field"):
        card.transmit(INITIALIZE_UPDATE)
    assert readers.reader("A").fob is follower  # what befell the first is not its doing
    assert readers.reader("B").fob is placed


# ------------------------------------------------------------------------ a thread that waits

ENDS: list[tuple[str, type[KfError], str]] = [
    ("sever", HungCardError, "no answer"),
    ("remove", LinkError, "left the field"),
    ("unplug", LinkError, "unplugged"),
    ("close", LinkError, "closed"),
]


def end(how: str, readers: SimulatedReaders, card: Card) -> None:
    match how:
        case "sever":
            readers.reader("A").sever()
        case "close":
            card.close()
        case _:
            getattr(readers, how)("A")


@pytest.mark.parametrize(("how", "error", "words"), ENDS)
def test_waiting_for_a_slow_fob_ends_at_once(
    readers: SimulatedReaders, how: str, error: type[KfError], words: str
) -> None:
    computing = Event()

    def challenge(size: int) -> bytes:
        computing.set()
        return bytes(size)

    slow = Fault(FaultKind.SLOW, 2, delay_s=AGES_S)
    readers.place("A", fob(i_param=0x60, random=challenge, faults=[slow]))
    card = readers.reader("A").connect()
    card.transmit(SELECT)
    answer = another_thread(card.transmit, INITIALIZE_UPDATE)
    assert computing.wait(PATIENCE_S)
    end(how, readers, card)
    raised = answer.exception(PATIENCE_S)
    assert type(raised) is error
    assert words in str(raised)


@pytest.mark.parametrize("timing", [Timing(command_s=AGES_S), Timing(air_byte_s=AGES_S)])
def test_a_link_waits_as_long_as_the_fob_takes(readers: SimulatedReaders, timing: Timing) -> None:
    readers.place("A", placed := fob(timing=timing))
    card = readers.reader("A").connect()
    answer = another_thread(card.transmit, GET_UID)
    while not placed.log:
        assert not answer.done()
    readers.remove("A")
    assert isinstance(answer.exception(PATIENCE_S), LinkError)


@pytest.mark.parametrize(("how", "error", "words"), ENDS)
def test_a_hung_fob_holds_its_thread_until_the_link_ends(
    readers: SimulatedReaders, how: str, error: type[KfError], words: str
) -> None:
    readers.place("A", placed := fob(faults=[Fault(FaultKind.HUNG, 1)]))
    card = readers.reader("A").connect()
    answer = another_thread(card.transmit, GET_UID)
    while not placed.log:
        assert not answer.done()
    end(how, readers, card)
    raised = answer.exception(PATIENCE_S)
    assert type(raised) is error
    assert words in str(raised)


@pytest.mark.parametrize("free", ["remove", "unplug"])
def test_a_severed_reader_is_blocked_until_the_fob_is_gone(
    readers: SimulatedReaders, free: str
) -> None:
    readers.place("A", placed := fob())
    reader = readers.reader("A")
    card = reader.connect()
    reader.sever()
    reader.sever()
    card.close()
    with pytest.raises(ReaderError, match="take the fob away"):
        reader.connect()
    getattr(readers, free)("A")
    readers.plug("A")
    if free == "remove":
        readers.place("A", placed)
    reader.connect().transmit(GET_UID)


def test_severing_a_reader_that_nobody_uses_changes_nothing(readers: SimulatedReaders) -> None:
    readers.reader("A").sever()
    readers.place("A", fob())
    readers.reader("A").sever()
    readers.reader("A").connect().transmit(GET_UID)


@pytest.mark.parametrize("late", ["transmit", "close"])
def test_an_old_conversation_does_not_reach_a_fob_that_has_moved_on(
    readers: SimulatedReaders, late: str
) -> None:
    readers.place("A", placed := fob())
    old = readers.reader("A").connect()
    readers.remove("A")
    readers.place("B", placed)
    new = readers.reader("B").connect()
    new.transmit(SELECT)
    if late == "close":
        old.close()
    else:
        with pytest.raises(LinkError):
            old.transmit(GET_UID)
    assert placed.commands == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda readers, placed: readers.place("A", fob(1)),
        lambda readers, placed: readers.place("B", placed),
        lambda readers, placed: readers.place("C", fob(1)),
        lambda readers, placed: readers.remove("C"),
        lambda readers, placed: readers.unplug("C"),
    ],
    ids=["occupied", "elsewhere", "no such reader", "nothing to remove from", "no cable"],
)
def test_what_an_operator_cannot_do_is_a_wrong_argument(
    readers: SimulatedReaders, wrong: Callable[[SimulatedReaders, SimulatedFob], None]
) -> None:
    placed = fob()
    readers.place("A", placed)
    with pytest.raises(ValueError, match=r"fob|reader"):
        wrong(readers, placed)
    assert readers.reader("A").fob is placed


# ---------------------------------------------------------------------------------- watching


@pytest.mark.anyio
async def test_a_watcher_hears_first_how_things_stand(readers: SimulatedReaders) -> None:
    readers.place("B", fob())
    readers.plug("C")
    readers.unplug("C")
    async with readers.watch() as events:
        assert [await anext(events) for _ in range(2)] == [EMPTY("A"), INSERTED("B")]


@pytest.mark.anyio
async def test_a_watcher_hears_everything_in_order(readers: SimulatedReaders) -> None:
    async with readers.watch() as events:
        readers.place("A", fob())
        readers.unplug("A")
        readers.unplug("A")
        readers.plug("A")
        readers.remove("A")
        readers.remove("A")
        readers.unplug("A")
        readers.place("A", fob(1))
        readers.plug("A")
        heard = [await anext(events) for _ in range(8)]
    assert heard[2:] == [
        INSERTED("A"),
        GONE("A"),
        INSERTED("A"),
        EMPTY("A"),
        GONE("A"),
        INSERTED("A"),
    ]


@pytest.mark.anyio
async def test_a_sleeping_watcher_is_woken_from_the_loop_and_from_a_thread(
    readers: SimulatedReaders,
) -> None:
    heard: list[ReaderEvent] = []
    asleep = anyio.Event()

    async def listen() -> None:
        async with readers.watch() as events:
            async for event in events:
                heard.append(event)
                if len(heard) == 2:
                    asleep.set()
                if event.news is News.GONE:
                    return

    placed = fob(faults=[Fault(FaultKind.TORN_AFTER, 1)])
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            await asleep.wait()
            readers.place("A", placed)
            card = await anyio.to_thread.run_sync(readers.reader("A").connect)
            with pytest.raises(LinkError):
                await anyio.to_thread.run_sync(card.transmit, GET_UID)
            await anyio.to_thread.run_sync(readers.place, "A", placed)
            await anyio.wait_all_tasks_blocked()
            readers.unplug("A")
    assert heard[2:] == [INSERTED("A"), EMPTY("A"), INSERTED("A"), GONE("A")]


@pytest.mark.anyio
async def test_several_watchers_hear_the_same(readers: SimulatedReaders) -> None:
    async with readers.watch() as first:
        readers.place("A", fob())
        async with readers.watch() as second:
            readers.remove("A")
            assert [await anext(second) for _ in range(3)] == [
                INSERTED("A"),
                EMPTY("B"),
                EMPTY("A"),
            ]
        readers.unplug("B")
        assert [await anext(first) for _ in range(5)] == [
            EMPTY("A"),
            EMPTY("B"),
            INSERTED("A"),
            EMPTY("A"),
            GONE("B"),
        ]


@pytest.mark.anyio
async def test_news_from_many_threads_are_complete_and_in_order() -> None:
    names, rounds = ["A", "B", "C", "D"], 50
    readers = SimulatedReaders(names)
    heard: dict[str, list[News]] = {name: [] for name in names}

    def operate(name: str) -> None:
        mine = fob()
        for _ in range(rounds):
            readers.place(name, mine)
            readers.remove(name)

    with anyio.fail_after(PATIENCE_S):
        async with readers.watch() as events, anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(anyio.to_thread.run_sync, operate, name)
            for _ in range(len(names) * (1 + 2 * rounds)):
                event = await anext(events)
                heard[event.reader].append(event.news)
    for news in heard.values():
        assert news == [News.EMPTY] + [News.INSERTED, News.EMPTY] * rounds
