"""What overlaps what: three fobs one after the other on one lane, and the requests under them.

A strip of the picture of a run. The lane is at work on one fob while its requests for others are on
their way; where a lane waits for a lease, a gap in its card time stands over the request.
"""

import math
from collections.abc import Iterator, Sequence

from kfasync.bench.chart import WIDTH, text_at
from kfasync.bench.pipeline.figures import FobTimes, Report
from kfasync.bench.pipeline.requests import Request

HEIGHT = 236
_LEFT, _RIGHT = 220, 40
_ROW, _BAR = 40, 22
_FOBS = 3
_LEAST = 3  # what is shorter than this would not be seen


def rows(report: Report, top: float) -> Iterator[str]:
    """The strip; nothing where nothing was asked or no lane had three fobs."""
    fobs = _middle(report)
    if not fobs or not report.requests:
        return
    began_s, ended_s = fobs[0].placed_s, fobs[-1].latched_s
    margin_s = (ended_s - began_s) / 12
    strip = _Strip(began_s - margin_s, ended_s + margin_s, top)
    uids = {fob.uid: number for number, fob in enumerate(fobs, 1)}
    yield text_at(32, top, f"Three fobs on {fobs[0].reader}, and the requests meanwhile", "plain")
    names = ("on the lane", "leases of these three", "their ends", "all other requests")
    for row, name in enumerate(names):
        yield text_at(_LEFT - 12, strip.middle(row) + 5, name, "plain", "end")
    for number, fob in enumerate(fobs, 1):
        yield from _fob(strip, fob, number)
    before: set[int] = set()
    for request in report.requests:
        yield from _request(strip, request, uids, before)
    if before:
        said = ", ".join(map(str, sorted(before)))
        text = f"◂ fetched before: the lease of fob {said}"
        yield text_at(strip.x(-math.inf), strip.middle(1) + 5, text, "small")


class _Strip:
    """Where in the picture a moment and a row are."""

    def __init__(self, began_s: float, ended_s: float, top: float) -> None:
        self._began_s = began_s
        self._scale = (WIDTH - _LEFT - _RIGHT) / (ended_s - began_s)
        self._top = top + 34

    def x(self, at_s: float) -> float:
        return min(max(_LEFT + (at_s - self._began_s) * self._scale, _LEFT), WIDTH - _RIGHT)

    def middle(self, row: int) -> float:
        return self._top + row * _ROW + _BAR / 2

    def bar(self, kind: str, row: int, began_s: float, ended_s: float, height: float) -> str:
        x, end = self.x(began_s), self.x(ended_s)
        return (
            f'<rect class="{kind}" x="{x:.1f}" y="{self.middle(row) - height / 2:.1f}" '
            f'width="{max(end - x, 0.0):.1f}" height="{height}"/>'
        )

    def sees(self, began_s: float, ended_s: float) -> bool:
        return self.x(ended_s) - self.x(began_s) > 0


def _middle(report: Report) -> Sequence[FobTimes]:
    """Three fobs in a row on the lane whose turn is about the middle of the run."""
    lanes: dict[str, list[FobTimes]] = {}
    for fob in sorted(report.fobs, key=lambda one: one.placed_s):
        lanes.setdefault(fob.reader, []).append(fob)
    reader = min((name for name, fobs in lanes.items() if len(fobs) >= _FOBS), default="")
    fobs = lanes.get(reader, [])
    first = max(0, (len(fobs) - _FOBS) // 2)
    return fobs[first : first + _FOBS]


def _fob(strip: _Strip, fob: FobTimes, number: int) -> Iterator[str]:
    at_s = fob.placed_s
    for span in fob.spans:
        card_s = min(span.card_s, span.took_s)
        yield strip.bar("station", 0, at_s, at_s + span.took_s - card_s, _BAR)
        yield strip.bar("card", 0, at_s + span.took_s - card_s, at_s + span.took_s, _BAR)
        at_s += span.took_s
    yield text_at(strip.x(fob.placed_s), strip.middle(0) - _BAR / 2 - 4, f"fob {number}", "small")


def _request(
    strip: _Strip, request: Request, uids: dict[str, int], before: set[int]
) -> Iterator[str]:
    ours = [uids[uid] for uid in request.uids if uid in uids]
    began_s, ended_s = request.began_s, request.ended_s
    if not ours:
        if strip.sees(began_s, ended_s):
            yield strip.bar("tail", 3, began_s, ended_s, _BAR / 3)
        return
    row, kind = (1, "lease") if request.is_lease else (2, "ends")
    named = " ".join(f"fob {number}" for number in ours)
    if strip.sees(began_s, ended_s):
        yield strip.bar(kind, row, began_s, ended_s, _BAR)
        yield text_at(strip.x(began_s) + _LEAST, strip.middle(row) + 5, named, "small on")
    elif request.is_lease:
        before.update(ours)
