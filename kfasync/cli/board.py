"""The board: a bar for every fob while it is worked on, and a table of all of them after."""

import itertools
import threading
from collections import deque
from types import TracebackType
from typing import Self

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from kfasync.audit.record import AttemptRecord
from kfasync.model import Outcome
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice
from kfasync.station.states import WORKING, LaneState

_STYLE = {
    Outcome.PASS.value: "bold green",
    Outcome.FAIL.value: "bold red",
    Outcome.INCOMPLETE.value: "bold yellow",
    Outcome.ERROR.value: "bold magenta",
}
_NARROW = 60  # columns
_ALWAYS = ("Reader", "FESN", "Outcome")
_FOLLOWER = ("behind", "has caught up")


class Board:
    """Shows what lanes tell; safe to be told from any thread.

    On a terminal with a bar for every fob; elsewhere with a line for every fob that is done.
    """

    def __init__(self, console: Console) -> None:
        self.records: list[AttemptRecord] = []
        self._console = console
        self._lock = threading.Lock()
        self._bars: dict[int, TaskID] = {}
        self._finished: deque[TaskID] = deque()
        self._progress = Progress(
            TextColumn("{task.fields[reader]}", style="dim", markup=False),
            TextColumn("{task.fields[uid]:<20}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:>2.0f}/{task.fields[steps]:<3}"),
            TextColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def tell(self, event: LaneEvent) -> None:
        """Take in news of a lane."""
        with self._lock:
            match event.state:
                case state if state in WORKING:
                    self._work(event)
                case state if event.record is not None:
                    self._done(event.slot, event.record)
                case LaneState.READER_FAULT | LaneState.STOPPED if event.message:
                    what = "stopped" if event.state is LaneState.STOPPED else "fault"
                    self._say(f"{escape(event.reader)}: [yellow]{what}[/]: {escape(event.message)}")

    def notice(self, notice: Notice) -> None:
        """Say that a follower of the ledger has fallen behind, or has caught up; or a warning."""
        begins, is_over = ("warning", "is all right again") if notice.warning else _FOLLOWER
        what = f"[yellow]{begins}[/]: {escape(notice.problem)}" if notice.problem else is_over
        self._say(f"{escape(notice.follower)} {what}")

    def note(self, sentence: str) -> None:
        """Say something beside the bars."""
        self._say(escape(sentence))

    def bars(self) -> RenderableType:
        """The bars as they stand now."""
        return self._progress.get_renderable()

    def table(self) -> Table:
        """Every attempt there was, in order."""
        table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
        bad = any(record.outcome != Outcome.PASS.value for record in self.records)
        leased = any(record.lease for record in self.records)
        columns = ["#", "Reader", "UID", "FESN", *(["Lease"] if leased else []), "Layout"]
        columns += ["Outcome", "ms", *(["Stopped in", "SW"] if bad else [])]
        # What is left out on a narrow terminal is in the records; who and what is not.
        narrow = self._console.width < _NARROW
        shown = [not narrow or column in _ALWAYS for column in columns]
        for column in itertools.compress(columns, shown):
            table.add_column(
                column,
                justify="right" if column in ("#", "ms") else "left",
                no_wrap=column != "Reader",
            )
        for number, record in enumerate(self.records, 1):
            passed = record.outcome == Outcome.PASS.value
            row = [
                str(number),
                escape(record.reader),
                record.uid or "",
                record.fesn or "",
                # The beginning of its name at the source: enough to find it in both logs.
                *([escape((record.lease or "")[:6])] if leased else []),
                record.layout or "",
                f"[{_STYLE[record.outcome]}]{record.disposition}[/]",
                f"{sum(stage.took_us for stage in record.stages) / 1000:.0f}",
            ]
            if bad:
                row += ["" if passed else record.stage.value, record.sw or ""]
            table.add_row(*itertools.compress(row, shown))
        return table

    def _work(self, event: LaneEvent) -> None:
        bar = self._bars.get(event.slot)
        if bar is None:
            bar = self._progress.add_task("", total=None, reader=event.reader, uid="", steps="?")
            self._bars[event.slot] = bar
        self._progress.update(
            bar,
            description=event.stage.value if event.stage else "",
            completed=event.step,
            total=event.steps or None,
            uid=event.uid,
            steps=str(event.steps) if event.steps else "?",
        )

    def _done(self, slot: int, record: AttemptRecord) -> None:
        self.records.append(record)
        word = f"[{_STYLE[record.outcome]}]{record.disposition.upper()}[/]"
        if record.outcome != Outcome.PASS.value:
            word += f" {escape(record.message)}"
        if self._progress.disable:
            self._say(f"{escape(record.reader)} {record.uid or '?'}: {word}")
        bar = self._bars.pop(slot, None)
        if bar is None:
            return
        self._progress.update(bar, description=f"{word} {record.fesn or ''}", uid=record.uid or "")
        self._progress.stop_task(bar)
        self._finished.append(bar)
        # A bar below the last line of the terminal would not be seen; the table has it.
        if len(self._progress.tasks) > max(self._console.height - 2, 1):
            self._progress.remove_task(self._finished.popleft())

    def _say(self, markup: str) -> None:
        self._console.print(markup, highlight=False, soft_wrap=True)
