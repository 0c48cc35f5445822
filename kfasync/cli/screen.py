"""The board: how every lane stands, on a terminal of any width, for as long as the station runs."""

import textwrap
import threading
import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from kfasync.cli.lines import advice
from kfasync.contracts.cards import News
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice
from kfasync.station.shift import Shift
from kfasync.station.states import RESULTS, LaneState
from kfasync.station.station import Stock
from kfasync.station.words import ENGLISH, Words, said, why

_RESULTS_KEPT = 200  # more than any terminal has lines
_NARROW, _WIDE = 60, 100  # columns from which on there is room for more
_PACE = 4  # times a second
# The state is also a word, so nothing is said by colour alone.
_STYLE = {
    LaneState.PASS: "black on green",
    LaneState.FAIL: "bold white on red",
    LaneState.RETRY: "black on bright_magenta",
    LaneState.BOUND: "black on bright_magenta",
    LaneState.IN_DOUBT: "black on bright_yellow",
    LaneState.WAITING: "black on bright_yellow",
    LaneState.READER_FAULT: "white on bright_black",
    LaneState.STOPPED: "bold white on red",
}


_STEPPING = (LaneState.WRITING, LaneState.LOCKING)
_INDENT = 4


class _Result(NamedTuple):
    clock: str
    slot: int
    state: LaneState
    uid: str
    fesn: str
    words: str


class Screen:
    """Shows the lanes while its context is open; may be told from any thread.

    Args:
        shift: what has been done, which somebody else counts.
    """

    def __init__(self, console: Console, shift: Shift, words: Words = ENGLISH) -> None:
        self._words = words
        self._console = console
        self._shift = shift
        self._lock = threading.Lock()
        self._lanes: dict[int, LaneEvent] = {}
        self._told: dict[int, str] = {}  # what is to be done with the result that is shown
        self._results: deque[_Result] = deque(maxlen=_RESULTS_KEPT)
        self._problems: dict[str, str] = {}
        self._notes: deque[str] = deque(maxlen=2)
        self._stock = Stock()
        self._prompt = ""
        self._live = Live(
            console=console,
            get_renderable=self.render,
            refresh_per_second=_PACE,
            screen=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def hear(self, entry: LaneEvent | Notice) -> None:
        """Take in news."""
        with self._lock:
            if isinstance(entry, Notice):
                self._problems.pop(entry.follower, None)
                if entry.problem:
                    self._problems[entry.follower] = said(entry, self._words)
                return
            # A record is long, and only its words are shown.
            self._lanes[entry.slot] = entry
            if (record := entry.record) is not None:
                passed = entry.state is LaneState.PASS
                words = "" if passed else advice(record, self._words)
                self._told[entry.slot] = words
                self._results.appendleft(
                    _Result(
                        time.strftime("%H:%M:%S"),
                        entry.slot,
                        entry.state,
                        record.uid or "",
                        record.fesn or "",
                        words,
                    )
                )

    def note(self, sentence: str) -> None:
        """Say something beside the lanes; when the board is away, on the terminal below it."""
        if not self._live.is_started:
            self._console.print(sentence, highlight=False, markup=False)
            return
        with self._lock:
            self._notes.append(sentence)

    def show_stock(self, stock: Stock) -> None:
        """Content and outbox, as they stand now."""
        self._stock = stock

    def show_prompt(self, words: str) -> None:
        """What is being typed; "" for nothing."""
        self._prompt = words

    # ------------------------------------------------------------------ how it looks

    def render(self) -> RenderableType:
        """The whole board as it stands now, in as many lines as the terminal has."""
        width, height = self._console.size
        with self._lock:
            top = [*self._strip(width), Text(), *self._rows(width), Text()]
            bottom = [Text(note, style="bold") for note in self._notes]
            bottom += [Text(words, style="yellow") for words in self._problems.values()]
            bottom.append(
                Text(self._prompt, style="bold")
                if self._prompt
                else Text(self._hint(), style="dim")
            )
            used = len(top) + sum(len(text.wrap(self._console, width)) for text in bottom)
            results = list(self._list(width, max(height - used - 1, 0)))
        return Group(*top, *results, *bottom)

    def _strip(self, width: int) -> list[Text]:
        done, stock, words = self._shift, self._stock, self._words
        waits = any(event.state is LaneState.WAITING for event in self._lanes.values())
        parts = [
            f"{words.passed} {done.passed}",
            f"{words.failed} {done.failed}",
            f"{words.last_hour} {done.last_hour()}",
            f"{words.content} {'-' if stock.content is None else stock.content}",
            f"{words.outbox} {stock.outbox}",
            words.source_away if waits else words.source_ok,
        ]
        lines = textwrap.wrap("  ".join(part.replace(" ", "\0") for part in parts), width)
        texts = [Text(line.replace("\0", " "), style="bold") for line in lines]
        for text in texts:
            text.highlight_regex(rf"{words.source_away}|{words.failed} [1-9]\d*", "yellow")
        return texts

    def _rows(self, width: int) -> Iterator[Text]:
        if not self._lanes:
            yield Text(self._words.no_reader, style="yellow")
        for slot in sorted(self._lanes):
            event = self._lanes[slot]
            yield from _row(event, width, self._words.states[event.state], self._saying(event))

    def _saying(self, event: LaneEvent) -> str:
        if reason := why(event, self._words):
            return reason
        if event.state in RESULTS:
            told = self._told.get(event.slot, "")
            gone = event.news is not News.INSERTED
            return told or (self._words.next if gone else self._words.take_and_next)
        if event.state is LaneState.EMPTY:
            return event.reader
        return ""

    def _list(self, width: int, lines: int) -> Iterator[Text]:
        for one in list(self._results)[:lines]:
            text = Text(f"{one.clock} {one.slot:>2}  ", no_wrap=True, overflow="ellipsis")
            text.append(f"{self._words.states[one.state]:<8}", style=_STYLE[one.state])
            if width >= _NARROW:
                text.append(f"  {one.uid:<14}  {one.fesn:<8}  {one.words}")
            else:
                text.append(f"  {one.fesn or one.uid}")
            yield text

    def _hint(self) -> str:
        stopped = any(event.state is LaneState.STOPPED for event in self._lanes.values())
        words = self._words
        return f"{words.resume}   {words.stop}" if stopped else words.stop


def _row(event: LaneEvent, width: int, state: str, words: str) -> Iterator[Text]:
    """One lane: a line, and up to two more for what does not fit into it."""
    step = f"{event.step}/{event.steps or '?'}" if event.state in _STEPPING else ""
    text = Text(f"{event.slot:>2}  ", no_wrap=True, overflow="ellipsis")
    narrow = width < _NARROW
    state = f"{state} {step}".strip() if narrow else state
    text.append(f"{state:<13}", style=_STYLE.get(event.state, "bold"))
    text.append(f" {event.uid:<14}")
    if not narrow:
        text.append(f"  {step:>5}")
    text.append(f" {_since(time.monotonic() - event.since_s):>5}")
    room = width - len(text.plain) - 2
    if len(words) <= room or width >= _WIDE:
        text.append(f"  {words}")
        yield text
        return
    yield text
    lines = textwrap.wrap(words, width - _INDENT, max_lines=2, placeholder=" ...")
    for line in lines:
        yield Text(" " * _INDENT + line)


def _since(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} m"
    return f"{seconds / 3600:.0f} h"
