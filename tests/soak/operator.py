"""Operator: whoever stands at one lane, and does what the station says."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from kfasync.errors import LaneError, NoStationError
from kfasync.station.control import Request, ask
from tests.soak.distant import TORN
from tests.soak.heard import Heard
from tests.soak.plan import Fate, PlannedFob
from tests.soak.process import Entry
from tests.soak.tray import Tray

PATIENCE_S = 120.0
MORE_S = 1.0  # a lane tries again by itself within that, or not at all
PLACINGS = 12  # of one fob; who needs more has been failed by the line
RESTARTED: Entry = {"event": "restarted"}
DONE = ("pass", "recovered", "already-provisioned", "fail")


class Hands(Protocol):
    """What an operator does with fobs and one line of readers."""

    def place(self, reader: str, number: int) -> None: ...
    def remove(self, reader: str) -> None: ...
    def lies(self, reader: str, number: int) -> bool: ...


class Shown(msgspec.Struct):
    """What the operators have seen of one fob; dispositions in their order."""

    dispositions: list[str] = []
    away: bool = False  # torn off, and not brought back
    given_up: bool = False


class Operator(threading.Thread):
    """Serves one lane until the tray is empty.

    Attributes:
        heard: entries of the station's log about this lane.
        error: what ended it early.
    """

    def __init__(
        self,
        lane: int,
        reader: str,
        hands: Hands,
        tray: Tray,
        shown: dict[int, Shown],
        data_directory: Path,
        give_up: Callable[[], bool],
    ) -> None:
        super().__init__(name=f"operator of lane {lane}", daemon=True)
        self.heard = Heard()
        self.error: BaseException | None = None
        self.slot = lane + 1
        self._lane, self._reader, self._hands, self._tray = lane, reader, hands, tray
        self._shown = shown
        self._directory = data_directory
        self._give_up = give_up

    def run(self) -> None:
        try:
            while not self._give_up() and (fob := self._tray.next(self._lane)) is not None:
                self._serve(fob)
        except BaseException as error:
            self.error = error

    def _serve(self, fob: PlannedFob) -> None:
        shown = self._shown[fob.number]
        while len(shown.dispositions) < PLACINGS:
            self._hands.place(self._reader, fob.number)
            end = self._until_result(fob)
            is_there = self._hands.lies(self._reader, fob.number)
            self._hands.remove(self._reader)
            shown.dispositions.append(end)
            if end in DONE:
                return self._done()
            if not is_there and fob.fate in (Fate.TORN, Fate.TORN_BACK) and self._first(shown):
                if fob.fate is Fate.TORN_BACK:
                    self._tray.count()
                    return self._tray.again(self._lane, fob)
                shown.away = True
                return self._done()
        shown.given_up = True
        return self._done()

    def _first(self, shown: Shown) -> bool:
        return TORN not in shown.dispositions[:-1]

    def _done(self) -> None:
        self._tray.count()
        self._tray.done()

    def _until_result(self, fob: PlannedFob) -> str:
        """How the station says that it has ended; "torn" when the fob has left of itself."""
        end = ""
        patience_s = time.monotonic() + PATIENCE_S
        while True:
            entry = self.heard.get(time.monotonic() + MORE_S if end else patience_s)
            if entry is None:
                assert end, f"lane {self.slot} has said nothing of {fob} for {PATIENCE_S} s"
                return end
            if entry.get("uid", fob.uid) != fob.uid:
                continue  # of a fob before it
            is_there = self._hands.lies(self._reader, fob.number)
            if "disposition" in entry:
                # It lies here, and the lane that it has left has not noticed yet; or its twin does.
                is_elsewhere = entry.get("cause") == "UnitError"
                end = "elsewhere" if is_elsewhere else entry["disposition"]
            elif entry["event"] == RESTARTED["event"]:
                end = ""  # the new station finds it there
            elif entry["event"] == "stopped":
                self._resume()
                # What was placed at a lane that had stopped is taken then, and has a result soon;
                # what stopped it is not, and is placed once more.
                end = end or "stopped"
            elif entry["event"] == "reader-fault":
                end = end or "fault"
            if not is_there:
                return end if end in DONE else TORN
            if end in DONE:
                return end

    def _resume(self) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            try:
                ask(self._directory, Request(resume=self.slot, reason="soak"))
            except NoStationError:
                return  # it has gone, and the next one has not stopped
            except LaneError as error:
                if "is not stopped" in str(error):
                    return
                self.heard.wait(MORE_S)  # its disk is full still
            else:
                return
