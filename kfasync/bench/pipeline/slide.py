"""The one picture of a run: where the time of a fob goes, stage by stage.

A bar for each stage, on one scale: the part in exchanges with the card, what the station adds
to it, and how far the slowest of a hundred reaches. Of a station with a key server there is a
strip below that shows what overlaps what. Nothing is fetched, and the picture brings its own
ground.
"""

from collections.abc import Iterator
from textwrap import wrap
from xml.sax.saxutils import escape

from kfasync.bench.chart import WIDTH, style, text_at
from kfasync.bench.pipeline import overlap
from kfasync.bench.pipeline.figures import FOB, Report, StageFigures
from kfasync.bench.pipeline.report import conditions_of

_LEFT, _RIGHT, _TOP, _BOTTOM = 220, 190, 176, 64
_ROW, _BAR, _TAIL = 34, 18, 4
_LINE, _CHARACTERS = 24, 120
# Of Okabe and Ito's palette, told apart by those who see no red or no green, too.
_COLOURS = {
    "card": ("#0072b2", "#56b4e9"),
    "station": ("#d55e00", "#e69f00"),
    "tail": ("#737373", "#a3a3a3"),
    "lease": ("#cc79a7", "#cc79a7"),
    "ends": ("#00b985", "#00b985"),
    "on": ("#1f2328", "#1f2328"),
}
_LEGEND = {
    "card": "in exchanges with the card (median)",
    "station": "the station, its disk, waiting for a turn (median)",
    "tail": "to where 99 of 100 are faster",
}


def draw(report: Report, machine: str) -> str:
    """The SVG."""
    stages = report.stages()
    longest = max(one.p99_ms for one in stages.values())
    bottom = _TOP + _ROW * len(stages)
    strip = list(overlap.rows(report, bottom + 40))
    if strip:
        bottom += overlap.HEIGHT
    said = conditions_of(report.conditions)
    under = wrap(said, _CHARACTERS)
    # What comes below moves down by the lines that the conditions need beyond the first.
    moved = _LINE * (len(under) - 1)
    height = bottom + moved + _BOTTOM
    title = f"{100 * report.efficiency:.1f} % of a lane's time is card time"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            'role="img" aria-labelledby="title description">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="description">{escape(_description(report, said))}</desc>',
            f"<style>{style(_COLOURS)}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{height}" rx="12"/>',
            text_at(32, 44, title, "title"),
            *(text_at(32, 72 + _LINE * row, line, "plain") for row, line in enumerate(under)),
            f'<g transform="translate(0 {moved})">',
            text_at(32, 96, _results(report), "plain"),
            *_legend(),
            *_rows(stages, longest),
            *strip,
            text_at(32, bottom + 40, machine, "small"),
            "</g>",
            "</svg>\n",
        ]
    )


def _legend() -> Iterator[str]:
    x = 32.0
    for kind, says in _LEGEND.items():
        yield f'<rect class="{kind}" x="{x}" y="118" width="14" height="14"/>'
        yield text_at(x + 21, 130, says, "plain")
        x += 52 + 7.9 * len(says)


def _rows(stages: dict[str, StageFigures], longest: float) -> Iterator[str]:
    scale = (WIDTH - _LEFT - _RIGHT) / longest
    for number, (name, one) in enumerate(stages.items()):
        top = _TOP + _ROW * number
        if name == FOB:
            yield (f'<line class="grid" x1="32" y1="{top - 4}" x2="{WIDTH - 32}" y2="{top - 4}"/>')
        middle = top + _BAR / 2
        card = min(one.card_p50_ms, one.p50_ms) * scale
        whole, tail = one.p50_ms * scale, one.p99_ms * scale
        yield text_at(_LEFT - 12, top + 14, name, "plain", "end")
        yield _bar("tail", _LEFT + whole, middle - _TAIL / 2, tail - whole, _TAIL)
        yield _bar("card", _LEFT, top, card, _BAR)
        yield _bar("station", _LEFT + card, top, whole - card, _BAR)
        label = f"{one.p50_ms:,.1f} / {one.p99_ms:,.1f} ms"
        yield text_at(_LEFT + max(tail, whole) + 10, top + 14, label, "value")


def _bar(kind: str, x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" '
        f'width="{max(0.0, width):.1f}" height="{height}"/>'
    )


def _results(report: Report) -> str:
    return (
        f"{report.fobs_per_hour:,.0f} fobs an hour; efficiency {report.efficiency:.3f} by the "
        f"timing model, {report.efficiency_measured:.3f} by the clock; "
        f"{report.cpu_ms_per_fob:.1f} ms of CPU a fob"
    )


def _description(report: Report, said: str) -> str:
    stages = "; ".join(
        f"{name}: {one.p50_ms:.1f} ms, at most {one.p99_ms:.1f} for 99 of 100, "
        f"{one.card_p50_ms:.1f} of it card"
        for name, one in report.stages().items()
    )
    return f"{said}. {_results(report)}. {stages}."
