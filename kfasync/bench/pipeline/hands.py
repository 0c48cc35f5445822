"""Whoever stands at the readers: places fobs, waits for results and takes the fobs away.

Every wait has an end. A lane that has stopped tells so once and then nobody, and who waits
for it without a clock waits for ever.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable

import anyio

from kfasync.bench.pipeline.figures import PLACED, RESULT, FobTimes, Span
from kfasync.bench.pipeline.floor import Floor
from kfasync.bench.pipeline.meter import MeteredFob
from kfasync.contracts.cards import News
from kfasync.errors import LaneStoppedError
from kfasync.model import Outcome
from kfasync.station.events import LaneEvent
from kfasync.station.states import WORKING, LaneState


def _ended(event: LaneEvent) -> bool:
    return event.record is not None or event.state is LaneState.READER_FAULT


def _is_empty(event: LaneEvent) -> bool:
    return event.news is News.EMPTY


class Hand:
    """What one reader's lane has said, in order and with the time it was said at.

    Attributes:
        news_s: when it first said that a fob is there, which may be the one before.
    """

    def __init__(self, reader: str, patience_s: float) -> None:
        self._reader = reader
        self._patience_s = patience_s
        self._is_there = False
        self.news_s = -math.inf
        self._say, self._said = anyio.create_memory_object_stream[tuple[float, LaneEvent]](math.inf)

    def hear(self, event: LaneEvent) -> None:
        """Take in news of the lane, on the event loop; its progress is none of this."""
        is_there = event.news is News.INSERTED
        if is_there and not self._is_there:
            self.news_s = time.monotonic()
        self._is_there = is_there
        if event.state not in WORKING:
            self._say.send_nowait((time.monotonic(), event))

    async def until(self, wanted: Callable[[LaneEvent], bool]) -> tuple[float, LaneEvent]:
        """The next news of this kind.

        Raises:
            LaneStoppedError: the lane has stopped, or it says nothing more.
        """
        try:
            with anyio.fail_after(self._patience_s):
                async for at_s, event in self._said:
                    if event.state is LaneState.STOPPED:
                        raise LaneStoppedError(f"{self._reader}: the lane stopped: {event.message}")
                    if wanted(event):
                        return at_s, event
        except TimeoutError:
            pass
        raise LaneStoppedError(
            f"{self._reader}: the lane has said nothing for {self._patience_s:g} s; "
            "this run has no figures"
        )

    def close(self) -> None:
        """Nothing is said any more."""
        self._say.close()
        self._said.close()


class Hands:
    """One hand a reader.

    Args:
        patience_s: how long a lane may say nothing.
    """

    def __init__(
        self,
        floor: Floor,
        patience_s: float,
    ) -> None:
        self._floor = floor
        self._hands = {name: Hand(name, patience_s) for name in floor.names()}

    def see(self, event: LaneEvent) -> None:
        """Take in news of a lane."""
        if event.reader in self._hands:
            self._hands[event.reader].hear(event)

    async def find(self) -> None:
        """Wait until every reader has its lane."""
        for hand in self._hands.values():
            await hand.until(_is_empty)

    async def serve(
        self,
        fobs: Iterable[MeteredFob],
        told: Callable[[FobTimes], None],
        delays_s: Iterable[float],
        pause_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Deal these fobs to the readers, whichever is free, until the last has its result.

        Args:
            told: called on the event loop with the times of each fob.
            pause_s: how long a hand that has taken a fob waits before it places it.
            delays_s: how long each reader waits before its first. Lanes in step would all want
                the same thing at the same time, which no operator does.

        Raises:
            LaneStoppedError: a lane has stopped, or says nothing more.
        """
        tray = deque(fobs)
        stopped: list[LaneStoppedError] = []
        async with anyio.create_task_group() as tasks:

            async def serve_one(name: str, hand: Hand, delay_s: float) -> None:
                try:
                    await anyio.sleep(delay_s)
                    await self._serve(name, hand, tray, told, pause_s)
                except LaneStoppedError as error:
                    # Two lanes may stop at once; the first has the cause.
                    stopped.append(error)
                    tasks.cancel_scope.cancel()

            for (name, hand), delay_s in zip(self._hands.items(), delays_s, strict=True):
                tasks.start_soon(serve_one, name, hand, delay_s)
        if stopped:
            raise stopped[0]

    def close(self) -> None:
        """Nobody listens any more."""
        for hand in self._hands.values():
            hand.close()

    async def _serve(
        self,
        reader: str,
        hand: Hand,
        tray: deque[MeteredFob],
        told: Callable[[FobTimes], None],
        pause_s: Callable[[], float],
    ) -> None:
        while tray:
            fob = tray.popleft()
            await anyio.sleep(pause_s())
            placed_s = time.monotonic()
            await self._floor.place(reader, fob)
            latched_s, event = await hand.until(_ended)
            if self._floor.from_news:
                placed_s = hand.news_s
            await self._floor.remove(reader)
            await hand.until(_is_empty)
            told(times_of(fob, event, placed_s, latched_s))


def times_of(fob: MeteredFob, event: LaneEvent, placed_s: float, latched_s: float) -> FobTimes:
    """The times of one fob from its audit record, its own count, and what a hand's clock says."""
    lane_s = latched_s - placed_s
    record = event.record
    fault = event.message or "its lane shows no record"
    spans: list[Span] = []
    card_s = 0.0
    if record is not None:
        card: dict[str, float] = {}
        for entry in record.transcript:
            card[entry.stage.value] = card.get(entry.stage.value, 0.0) + entry.took_us / 1e6
        card_s = sum(card.values())
        before_s = (latched_s if fob.first_s is None else fob.first_s) - placed_s
        stages = [
            Span(one.stage.value, one.took_us / 1e6, card.get(one.stage.value, 0.0))
            for one in record.stages
        ]
        after_s = lane_s - before_s - sum(span.took_s for span in stages)
        spans = [Span(PLACED, before_s), *stages, Span(RESULT, max(0.0, after_s))]
        fault = _fault(record.outcome, record.message, fob.personalizations)
    return FobTimes(
        reader=event.reader,
        uid=fob.uid.hex().upper(),
        placed_s=placed_s,
        latched_s=latched_s,
        model_s=fob.model_s,
        opening_s=fob.opening_s,
        card_s=card_s,
        spans=tuple(spans),
        fault=fault,
    )


def _fault(outcome: str, message: str, personalizations: int) -> str:
    if outcome != Outcome.PASS.value:
        return message or outcome
    if personalizations != 1:
        return "the station says that it passed, and the fob says otherwise"
    return ""
