"""A line for everything that an operator has to know: for a pipe, and for a plain terminal."""

import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from kfasync.audit.record import AttemptRecord
from kfasync.station.advice import key_of, sentence, verb
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice
from kfasync.station.states import LaneState
from kfasync.station.words import ENGLISH, Words, said, why

_TOLD = (LaneState.WAITING, LaneState.READER_FAULT, LaneState.STOPPED)


class Lines:
    """Prints results, faults and stops, one a line; from any thread.

    Args:
        write: takes a line.
    """

    def __init__(self, write: Callable[[str], None], words: Words = ENGLISH) -> None:
        self._write = write
        self._words = words
        self._lock = threading.Lock()
        self._last: dict[int, tuple[LaneState, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing was taken that is to be given back."""

    def hear(self, entry: LaneEvent | Notice) -> None:
        """Take in news."""
        with self._lock:
            if isinstance(entry, Notice):
                self._write(f"{_clock()}  {said(entry, self._words)}")
                return
            reason = why(entry, self._words)
            now = (entry.state, reason)
            if entry.record is not None:
                end = result(entry.state, entry.record, self._words)
                self._write(f"{_clock()}  {self._words.lane} {entry.slot}  {end}")
            elif now != self._last.get(entry.slot) and self._worth_a_line(entry):
                what = self._words.reader_is_here.format(entry.reader)
                if reason:
                    what = f"{self._words.states[entry.state]}: {reason}"
                self._write(f"{_clock()}  {self._words.lane} {entry.slot}  {what}")
            self._last[entry.slot] = now

    def note(self, sentence: str) -> None:
        """Say something beside the lanes."""
        with self._lock:
            self._write(f"{_clock()}  {sentence}")

    def _worth_a_line(self, event: LaneEvent) -> bool:
        before, _ = self._last.get(event.slot, (LaneState.READER_FAULT, ""))
        # A fob may lie on it already, so that it is never seen to be empty.
        back = before is LaneState.READER_FAULT and event.state is not before
        return event.state in _TOLD or back


class Output:
    """Standard output, which may go away while the station goes on."""

    def __init__(self) -> None:
        self._gone = False

    def write(self, line: str) -> None:
        """Print a line; when nobody reads it any more, that is said once."""
        if self._gone:
            return
        try:
            print(line, flush=True)
        except OSError as error:
            self._gone = True
            # What is in its buffer would be an error once more at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            print(
                f"kfasync: standard output cannot be written ({error.strerror}); nothing more is "
                "shown, and the station goes on",
                file=sys.stderr,
            )


def result(state: LaneState, record: AttemptRecord, words: Words) -> str:
    """One attempt's end in a line."""
    took_s = sum(stage.took_us for stage in record.stages) / 1e6
    begin = f"{words.states[state]:<8}  {record.uid or words.unknown_fob:<14}"
    if state is LaneState.PASS:
        return f"{begin}  {record.fesn or ''}  {took_s:.1f} s"
    return f"{begin}  {advice(record, words)}"


def advice(record: AttemptRecord, words: Words) -> str:
    """What to do with a fob that did not pass, and why."""
    key = key_of(record.cause, record.disposition, record.sw)
    said = sentence(key, record.sw, record.message, record.operator_action, words.language)
    return f"{words.verbs[verb(key)]}: {said}"


def _clock() -> str:
    return time.strftime("%H:%M:%S")
