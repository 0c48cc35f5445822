"""What is shown of one lane; `kfasync.station.states` says what can follow what."""

import time
from collections.abc import Callable
from typing import NamedTuple

from kfasync.audit.record import AttemptRecord
from kfasync.contracts.cards import News
from kfasync.model import Stage
from kfasync.station.events import LaneEvent
from kfasync.station.states import RESULTS, WORKING, LaneState


class Why(NamedTuple):
    """Why a lane waits or takes no fob: in English, and as a row of the catalogue of advice."""

    message: str
    cause: str = ""
    sw: str | None = None


NO_REASON = Why("")


class Display:
    """The state of one lane, and everybody's news of it.

    Called from the lane's worker thread while it works on a fob, and from the event loop when it
    does not: never from both at a time.

    Attributes:
        state: what is shown.
        news: how the reader stands.
        reader: its name, which may change when it is plugged in again.
    """

    def __init__(self, slot: int, reader: str, tell: Callable[[LaneEvent], None]) -> None:
        self.state = LaneState.EMPTY
        self.news = News.GONE
        self.reader = reader
        self._slot = slot
        self._tell = tell
        self._since_s = time.monotonic()
        self._latched = LaneState.EMPTY  # shown again when what hides it is over
        self._found = NO_REASON  # of a reference fob, for as long as that is what is latched
        # Attempt and UID, of the fob that is worked on and of the latched result.
        self._working_on = self._result_of = ("", "")
        self._stop = NO_REASON

    def hear(self, news: News) -> None:
        """The reader stands so from now on; shown at once where no fob is worked on."""
        self.news = news
        if self.state not in WORKING:
            self.rest()

    def rest(self) -> None:
        """No fob is worked on: show how the reader stands."""
        if self.state in WORKING:
            # The fob was not found again, so what happened to it before still stands.
            self._show(self._latched, why=self._found)
        if self.state is LaneState.STOPPED:
            self._show(LaneState.STOPPED, why=self._stop)
        elif self.news is News.GONE:
            self._reader_is_gone()
        elif self.news is News.EMPTY:
            self._show(self._latched, why=self._found)

    def begin(self) -> None:
        """The next fob is here, and the result of the last one is over."""
        self._latched, self._found = LaneState.EMPTY, NO_REASON

    def work(
        self,
        state: LaneState,
        attempt: str,
        *,
        stage: Stage | None = None,
        step: int = 0,
        steps: int = 0,
        uid: str = "",
        why: Why = NO_REASON,
    ) -> None:
        """An attempt goes on."""
        self._working_on = (attempt, uid)
        self._show(state, stage=stage, step=step, steps=steps, why=why)

    def result(self, state: LaneState, record: AttemptRecord) -> None:
        """An attempt has ended, and the ledger has it."""
        self._latched = state
        self._result_of = (record.attempt, record.uid or "")
        self._show(state, stage=record.stage, record=record)

    def reference(self, why: Why, *, good: bool) -> None:
        """A reference fob was looked at; whatever was found, it is not shown as passed."""
        self._latched = LaneState.EMPTY if good else LaneState.FAIL
        self._found, self._result_of = why, ("", "")
        self._show(self._latched, why=why)

    def fault(self, why: Why) -> None:
        """The fob cannot be reached, and nobody knows who it is."""
        self._show(LaneState.READER_FAULT, why=why)

    def stop(self, why: Why) -> None:
        """The lane takes no fob any more."""
        self._stop = why
        self._show(LaneState.STOPPED, why=why)

    def resume(self) -> None:
        """A person has resumed the lane."""
        if self.news is News.GONE:
            self._reader_is_gone()
        else:
            self._show(self._latched, why=self._found)

    def _reader_is_gone(self) -> None:
        gone = Why(f"plug it in again: reader {self.reader} is gone")
        self._show(LaneState.READER_FAULT, why=gone)

    def _show(
        self,
        state: LaneState,
        *,
        stage: Stage | None = None,
        step: int = 0,
        steps: int = 0,
        why: Why = NO_REASON,
        record: AttemptRecord | None = None,
    ) -> None:
        # Not checked against the table here: a fob that is being written is worth more than what
        # is shown of it. The tests check every step of every lane.
        if state is not self.state:
            self.state, self._since_s = state, time.monotonic()
        if state in WORKING:
            attempt, uid = self._working_on
        else:
            attempt, uid = self._result_of if state in RESULTS else ("", "")
        self._tell(
            LaneEvent(
                slot=self._slot,
                reader=self.reader,
                state=state,
                since_s=self._since_s,
                news=self.news,
                attempt=attempt,
                stage=stage,
                step=step,
                steps=steps,
                uid=uid,
                message=why.message,
                cause=why.cause,
                sw=why.sw,
                record=record,
            )
        )
