"""One lane: one reader, and the fobs that are placed on it, one after the other."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import anyio.lowlevel
from anyio import from_thread, to_thread

from kfasync.contracts.cards import News, Reader
from kfasync.core.effects import Exchange
from kfasync.core.flow import Provisioning
from kfasync.errors import KfError, LedgerError, ShiftError
from kfasync.model import Disposition, Outcome, Stage
from kfasync.station.advice import key_of, key_of_error
from kfasync.station.attempt import Attempt, Conclusion
from kfasync.station.batch import ReferenceFound
from kfasync.station.desk import Desk
from kfasync.station.display import Display, Why
from kfasync.station.policy import Guard
from kfasync.station.proof import Proved, prove
from kfasync.station.quota import Quota
from kfasync.station.states import RESULT_OF, WHILE_IN, LaneState

ATTEMPTS_A_PLACING = 3
SOURCE_RETRY_S = 1.0  # while the source is away: it is asked again, and twice as late each time
SOURCE_RETRY_MAX_S = 10.0
_LOOK_S = 0.1  # how late a waiting fob learns that the station stops

_RESUMABLE = (Disposition.RETRY, Disposition.BOUND, Disposition.IN_DOUBT)


class Lane:
    """One reader at work.

    A fob costs one hop into a worker thread, where the attempt talks to card and ledger; a
    lease alone is waited for on the event loop. A watchdog task cuts the link when the card
    has been silent for longer than its deadline.

    Args:
        slot: its number, from 1.
        quota: how many fobs it may take, together with the other lanes.
        patient: whether a fob waits for a source that is away, until it is taken off.

    Attributes:
        stopped: why it takes no fob any more; "" while it does.
    """

    def __init__(
        self,
        slot: int,
        reader: Reader,
        desk: Desk,
        *,
        quota: Quota | None = None,
        patient: bool = False,
    ) -> None:
        self.slot = slot
        self.stopped = ""
        self.display = Display(slot, reader.name, desk.tell)
        self._reader = self._opened = reader
        self._desk = desk
        self._quota = quota or Quota(None)
        self._patient = patient
        self._guard = Guard()
        self._placings = 0
        self._served = 0
        self._changed = anyio.Event()
        self._left = threading.Event()  # the fob that is worked on, as far as the reader knows
        self._step = 0
        self._deadline = math.inf
        self._limiter = anyio.CapacityLimiter(1)

    @property
    def gone(self) -> bool:
        """Whether its reader is unplugged."""
        return self.display.news is News.GONE

    def attach(self, reader: Reader) -> None:
        """Its reader is back, under another name."""
        self._reader = reader
        self.display.reader = reader.name

    def close(self) -> None:
        """Let go of its reader, when nobody runs the lane any more."""
        self._opened.close()

    def hear(self, news: News) -> None:
        """Take in what happened to the reader."""
        if news is not News.INSERTED:
            self._left.set()
        self._placings += news is News.INSERTED
        self.display.hear(news)
        self._wake()

    def stop(self, why: Why) -> None:
        """Take no fob any more, until a person resumes the lane."""
        self.stopped = why.message
        self.display.stop(why)
        self._wake()

    def resume(self) -> bool:
        """A person says that it goes on; False when it was not stopped.

        A fob that was placed meanwhile is taken.
        """
        if not self.stopped:
            return False
        self.stopped = ""
        self._guard = Guard()
        self.display.resume()
        self._wake()
        return True

    async def run(self) -> None:
        """Provision fob after fob, until cancelled."""
        while True:
            await self.placed()
            await self._quota.begin()
            outcome: Outcome | None = None
            try:
                # The fob may have gone while others had the turn.
                if self._waiting:
                    result = await self.provision_next()
                    if isinstance(result, Conclusion):
                        outcome = result.verdict.outcome
            finally:
                self._quota.end(outcome)

    async def placed(self) -> None:
        """Wait for a fob that has not been served yet."""
        while not self._waiting:
            await self._changed.wait()

    @property
    def _waiting(self) -> bool:
        # By the count of placings and not by an empty reader in between: the fob can be taken
        # and the next one placed while the lane is still busy with what the first one left.
        here = self.display.news is News.INSERTED and self._placings != self._served
        return here and not self.stopped

    async def provision_next(self) -> Conclusion | KfError:
        """Wait for a fob and see it through; the error when it could not even be reached.

        After a link error the fob is looked for at once and identified anew, for it may be
        another one by then: a swap within PC/SC's polling interval is no event.
        """
        await self.placed()
        self.display.begin()
        last: Conclusion | KfError | None = None
        for _ in range(ATTEMPTS_A_PLACING):
            try:
                found = await self._attempt()
            except anyio.get_cancelled_exc_class():
                if last is None:
                    raise
                break  # what has been done to the fob still stands
            result = self._proved(found) if isinstance(found, Proved) else found
            if isinstance(result, LedgerError):
                self.stop(_why(result))
                return result
            if isinstance(found, Proved):
                return result
            if isinstance(result, KfError):
                if last is None:
                    self.display.fault(_why(result))
                break
            if last is not None and result.record.uid is None:
                break  # it is gone; what happened to it while it was there still stands
            last = result
            self._conclude(result)
            if result.verdict.disposition not in _RESUMABLE or not result.verdict.again:
                break
        self.display.rest()
        return last or result

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _attempt(self) -> Conclusion | Proved | KfError:
        await anyio.lowlevel.checkpoint_if_cancelled()  # begin nothing new, nor show it
        self._served = self._placings
        self._left.clear()
        self.display.work(LaneState.READING, "", stage=Stage.READ_UID)
        # Shielded: who is cancelled still waits for the thread, and the thread for the card.
        watch = anyio.CancelScope(shield=True)
        result: Conclusion | Proved | KfError | None = None
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, watch)
                try:
                    # Never abandoned: the thread would go on talking to the card.
                    result = await to_thread.run_sync(self._work, limiter=self._limiter)
                finally:
                    watch.cancel()
        except anyio.get_cancelled_exc_class():
            # What the fob has come to is shown first; a cancelled scope cancels the next await too.
            if result is None:
                raise
        assert result is not None  # or an error has left
        return result

    def _conclude(self, conclusion: Conclusion) -> None:
        for follower in self._desk.followers:
            follower.wake()
        self.display.result(RESULT_OF[conclusion.verdict.disposition], conclusion.record)
        if self._guard.stops(conclusion.verdict):
            record = conclusion.record
            row = key_of(record.cause, record.disposition, record.sw)
            self.stop(Why(record.message, row, record.sw))

    def _proved(self, proved: Proved) -> KfError:
        """A reference fob has had its look; the reason why it is not provisioned."""
        for follower in self._desk.followers:
            follower.wake()
        said = f"{proved.role.value} fob: {proved.said}"
        self.display.reference(Why(said), good=proved.good)
        return ShiftError(f"{said}; a reference fob is never provisioned")

    # ------------------------------------------------------------------ in the worker thread

    def _work(self) -> Conclusion | Proved | KfError:
        """An expected error is handed over as a value, for one that crosses a task group
        arrives inside an ExceptionGroup."""
        reader = self._reader
        if reader is not self._opened:
            self._opened.close()
            self._opened = reader
        try:
            with self._watched():
                card = reader.connect()
            try:
                attempt = Attempt(
                    self._desk,
                    self.slot,
                    reader.name,
                    card,
                    watched=self._watched,
                    progress=self._progress,
                    keep_waiting=self._keep_waiting,
                )
                return attempt.run()
            except ReferenceFound as found:
                return prove(self._desk, found, self.slot, card, self._watched)
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

    def _progress(self, attempt: str, state: Provisioning, exchange: Exchange | None) -> None:
        # The fob that has said its name is the one that all news so far speak of: those of a
        # contact lost for a moment may come when it has long been found again, and would have
        # it tried once more after it has passed.
        if state.unit is not None:
            self._served = self._placings
        if exchange is not None:
            self._step = exchange.step
        self.display.work(
            _shown(state, exchange),
            attempt,
            stage=state.stage,
            step=self._step,
            steps=exchange.steps if exchange else 0,
            uid=_uid(state),
        )

    def _keep_waiting(self, attempt: str, state: Provisioning, error: KfError, tries: int) -> bool:
        """The source is away: wait a while; False when the fob has no time for that."""
        if not self._patient:
            return False
        self.display.work(
            LaneState.WAITING,
            attempt,
            stage=state.stage,
            step=self._step,
            uid=_uid(state),
            why=_why(error),
        )
        until = time.monotonic() + min(SOURCE_RETRY_S * 2.0**tries, SOURCE_RETRY_MAX_S)
        while not self._left.is_set():
            from_thread.check_cancelled()
            left = until - time.monotonic()
            if left <= 0:
                return True
            self._left.wait(min(left, _LOOK_S))
        return False


def _why(error: KfError) -> Why:
    return Why(str(error), key_of_error(error))


def _uid(state: Provisioning) -> str:
    return state.unit.uid.hex().upper() if state.unit else ""


def _shown(state: Provisioning, exchange: Exchange | None) -> LaneState:
    if state.unit is None:
        return LaneState.READING  # also by a session, where that is what tells who it is
    # The session may begin while the lease is on its way.
    if exchange is None or state.lease is None:
        return LaneState.LEASING
    return WHILE_IN[exchange.stage]
