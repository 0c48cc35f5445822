"""One lane: one reader, and the fobs that are placed on it, one after the other."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
from anyio import to_thread

from kfasync.audit.record import AttemptRecord
from kfasync.contracts.cards import News, Reader
from kfasync.core.flow import Exchange, Provisioning
from kfasync.errors import KfError, LedgerError
from kfasync.model import Disposition, Stage
from kfasync.station.attempt import Attempt, Conclusion
from kfasync.station.desk import Desk
from kfasync.station.events import LaneEvent, LaneState
from kfasync.station.policy import Guard

ATTEMPTS_A_PLACING = 3

_RESUMABLE = (Disposition.RETRY, Disposition.BOUND, Disposition.IN_DOUBT)


class Lane:
    """One reader at work.

    A fob costs one hop into a worker thread, where the attempt talks to card and ledger; a
    lease alone is waited for on the event loop. A watchdog task cuts the link when the card
    has been silent for longer than its deadline.
    """

    def __init__(self, slot: int, reader: Reader, desk: Desk) -> None:
        self.slot = slot
        self.stopped = ""
        self._reader = reader
        self._desk = desk
        self._guard = Guard()
        self._news = News.GONE
        self._placings = 0
        self._served = 0
        self._changed = anyio.Event()
        self._deadline = math.inf
        self._limiter = anyio.CapacityLimiter(1)

    def hear(self, news: News) -> None:
        """Take in what happened to the reader."""
        self._news = news
        self._placings += news is News.INSERTED
        self._changed.set()
        self._changed = anyio.Event()
        if news is News.GONE:
            self._tell(LaneState.READER_FAULT, message=f"reader {self._reader.name} is gone")
        elif news is News.EMPTY:
            self._tell(LaneState.EMPTY)

    async def run(self) -> None:
        """Provision fob after fob; returns when the lane has stopped itself."""
        while True:
            await self.provision_next()
            if self.stopped:
                return

    async def placed(self) -> None:
        """Wait for a fob that has not been served yet.

        By the count of placings and not by an empty reader in between: the fob can be taken
        and the next one placed while the lane is still busy with what the first one left.
        """
        while self._news is not News.INSERTED or self._placings == self._served:
            await self._changed.wait()

    async def provision_next(self) -> Conclusion | KfError:
        """Wait for a fob and see it through; the error when it could not even be reached.

        After a link error the fob is looked for at once and identified anew, for it may be
        another one by then: a swap within PC/SC's polling interval is no event.
        """
        await self.placed()
        last: Conclusion | KfError | None = None
        for _ in range(ATTEMPTS_A_PLACING):
            result = await self._attempt()
            if isinstance(result, LedgerError):
                self._stop(str(result))
                return result
            if isinstance(result, KfError):
                if last is None:
                    self._tell(LaneState.READER_FAULT, message=str(result))
                break
            if last is not None and result.record.uid is None:
                break  # it is gone; what happened to it while it was there still stands
            last = result
            self._conclude(result)
            if result.verdict.disposition not in _RESUMABLE or not result.verdict.again:
                break
        return last or result

    async def _attempt(self) -> Conclusion | KfError:
        self._served = self._placings
        self._tell(LaneState.WORKING, stage=Stage.READ_UID)
        # Shielded: who is cancelled still waits for the thread, and the thread for the card.
        watch = anyio.CancelScope(shield=True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, watch)
            try:
                # Never abandoned: the thread would go on talking to the card.
                result = await to_thread.run_sync(self._work, limiter=self._limiter)
            finally:
                watch.cancel()
        return result

    def _work(self) -> Conclusion | KfError:
        """In the worker thread. An expected error is handed over as a value, for one that
        crosses a task group arrives inside an ExceptionGroup."""
        try:
            with self._watched():
                card = self._reader.connect()
            try:
                attempt = Attempt(
                    self._desk,
                    self.slot,
                    self._reader.name,
                    card,
                    watched=self._watched,
                    progress=self._progress,
                )
                return attempt.run()
            finally:
                with self._watched():
                    card.close()
        except KfError as error:
            return error

    @contextmanager
    def _watched(self) -> Iterator[None]:
        self._deadline = time.monotonic() + self._desk.card_timeout_s
        try:
            yield
        finally:
            self._deadline = math.inf

    async def _watch(self, scope: anyio.CancelScope) -> None:
        with scope:
            while True:
                left = self._deadline - time.monotonic()
                if left <= 0:
                    self._deadline = math.inf
                    self._reader.sever()
                await anyio.sleep(min(max(left, 0), self._desk.card_timeout_s))

    def _conclude(self, conclusion: Conclusion) -> None:
        record = conclusion.record
        for follower in self._desk.followers:
            follower.wake()
        self._tell(LaneState.DONE, stage=record.stage, uid=record.uid or "", record=record)
        if self._guard.stops(conclusion.verdict):
            self._stop(conclusion.verdict.message)

    def _stop(self, message: str) -> None:
        self.stopped = message
        self._tell(LaneState.STOPPED, message=message)

    def _progress(self, exchange: Exchange, state: Provisioning) -> None:
        # The fob that has said its name is the one that all news so far speak of: those of a
        # contact lost for a moment may come when it has long been found again, and would have
        # it tried once more after it has passed.
        if state.unit is not None:
            self._served = self._placings
        self._tell(
            LaneState.WORKING,
            stage=exchange.stage,
            step=exchange.step,
            steps=exchange.steps,
            uid=state.unit.uid.hex().upper() if state.unit else "",
        )

    def _tell(
        self,
        state: LaneState,
        *,
        stage: Stage | None = None,
        step: int = 0,
        steps: int = 0,
        uid: str = "",
        message: str = "",
        record: AttemptRecord | None = None,
    ) -> None:
        self._desk.tell(
            LaneEvent(
                slot=self.slot,
                reader=self._reader.name,
                state=state,
                stage=stage,
                step=step,
                steps=steps,
                uid=uid,
                message=message,
                record=record,
            )
        )
