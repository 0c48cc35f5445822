"""Bars on a logarithmic scale, as an SVG that stands on a slide by itself.

Nothing is fetched: no font, no script. The picture brings its own ground, so that it can be
read on whatever it is put on, and follows a reader who prefers dark.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, floor, log10
from xml.sax.saxutils import escape

import msgspec

from kfasync.bench.report import three
from kfasync.bench.rounds import Family

WIDTH = 1120
_LEFT, _RIGHT, _TOP, _BOTTOM = 372, 96, 156, 60
_ROW, _BAR, _NOTE = 30, 18, 20
# Told apart by those who see no red or no green, too (Okabe and Ito's palette).
_COLOURS = {
    Family.PURE: ("#d55e00", "#e69f00"),
    Family.CRYPTOGRAPHY: ("#0072b2", "#56b4e9"),
    Family.PEER: ("#737373", "#a3a3a3"),
    Family.NATIVE: ("#008a64", "#00b985"),
}
_CLASSES = {family: family.name.lower() for family in Family}


class Bar(msgspec.Struct, frozen=True):
    """One line of the chart."""

    label: str
    family: Family
    value: float


class Chart(msgspec.Struct, frozen=True):
    """What is drawn.

    Attributes:
        bars: in any order; the longest comes first.
        line: a value that all are held against, with its label; None: there is none.
    """

    title: str
    subtitle: str
    unit: str
    notes: Sequence[str]
    bars: Sequence[Bar]
    line: tuple[str, float] | None = None

    def draw(self) -> str:
        """The SVG."""
        colours = {_CLASSES[family]: pair for family, pair in _COLOURS.items()}
        bars = sorted(self.bars, key=lambda bar: -bar.value)
        bottom = _TOP + _ROW * len(bars)
        height = bottom + _BOTTOM + _NOTE * len(self.notes)
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
                'role="img" aria-labelledby="title description">',
                f'<title id="title">{escape(self.title)}</title>',
                f'<desc id="description">{escape(self._description(bars))}</desc>',
                f"<style>{style(colours)}</style>",
                f'<rect class="ground" width="{WIDTH}" height="{height}" rx="12"/>',
                *self._head(bars),
                *self._grid(bottom),
                *self._rows(bars),
                *self._marked(bottom),
                *(
                    text_at(32, bottom + _BOTTOM + _NOTE * number, note, "small")
                    for number, note in enumerate(self.notes)
                ),
                "</svg>\n",
            ]
        )

    def _head(self, bars: Sequence[Bar]) -> Iterator[str]:
        yield text_at(32, 44, self.title, "title")
        yield text_at(32, 70, self.subtitle, "plain")
        x = 32
        for family in Family:
            if any(bar.family is family for bar in bars):
                yield f'<rect class="{_CLASSES[family]}" x="{x}" y="88" width="14" height="14"/>'
                yield text_at(x + 21, 100, family.value, "plain")
                x += 44 + 8 * len(family.value)

    def _grid(self, bottom: int) -> Iterator[str]:
        least, most = self._decades
        for exponent in range(least, most + 1):
            x = self._x(10.0**exponent)
            yield f'<line class="grid" x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{bottom}"/>'
            yield text_at(x, bottom + 18, f"{10.0**exponent:,g}", "small", "middle")
        yield text_at((_LEFT + WIDTH - _RIGHT) / 2, bottom + 38, self.unit, "small", "middle")

    def _rows(self, bars: Sequence[Bar]) -> Iterator[str]:
        for number, bar in enumerate(bars):
            top = _TOP + _ROW * number + (_ROW - _BAR) // 2
            end = self._x(bar.value)
            yield text_at(_LEFT - 12, top + 14, bar.label, "plain", "end")
            yield (
                f'<rect class="{_CLASSES[bar.family]}" x="{_LEFT}" y="{top}" '
                f'width="{max(1.0, end - _LEFT):.1f}" height="{_BAR}" rx="2"/>'
            )
            yield text_at(end + 8, top + 14, three(bar.value), "value")

    def _marked(self, bottom: int) -> Iterator[str]:
        if self.line is None:
            return
        label, value = self.line
        x = self._x(value)
        yield f'<line class="floor" x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{bottom}"/>'
        yield text_at(x, _TOP - 12, f"{label} {three(value)}", "value")

    @property
    def _decades(self) -> tuple[int, int]:
        values = [bar.value for bar in self.bars] + ([self.line[1]] if self.line else [])
        return floor(log10(min(values))), ceil(log10(max(values)))

    def _x(self, value: float) -> float:
        least, most = self._decades
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (log10(value) - least) / max(1, most - least)

    def _description(self, bars: Sequence[Bar]) -> str:
        said = [f"{bar.label}: {three(bar.value)}" for bar in bars]
        if self.line is not None:
            said.append(f"{self.line[0]} {three(self.line[1])}")
        return f"{self.subtitle}. {self.unit}. {'; '.join(said)}."


def text_at(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    """A line of text."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def style(colours: Mapping[str, tuple[str, str]]) -> str:
    """The rules of a picture, with the colours of its own classes on light and on dark."""
    light = {
        "text": "fill:#1f2328",
        ".ground": "fill:#ffffff",
        ".small": "fill:#57606a",
        ".grid": "stroke:#d0d7de",
        ".floor": "stroke:#1f2328",
    }
    dark = {
        "text": "fill:#e6edf3",
        ".ground": "fill:#161b22",
        ".small": "fill:#9da7b3",
        ".grid": "stroke:#30363d",
        ".floor": "stroke:#e6edf3",
    }
    for name, (on_light, on_dark) in colours.items():
        light[f".{name}"] = f"fill:{on_light}"
        dark[f".{name}"] = f"fill:{on_dark}"
    fixed = (
        "text{font:15px system-ui,'Segoe UI',Roboto,Helvetica,Arial,sans-serif}"
        ".title{font-size:24px;font-weight:600}.value{font-weight:600}.small{font-size:13px}"
        ".grid{stroke-width:1}.floor{stroke-width:2;stroke-dasharray:6 4}"
    )
    return f"{fixed}{_rules(light)}@media(prefers-color-scheme:dark){{{_rules(dark)}}}"


def _rules(rules: dict[str, str]) -> str:
    return "".join(f"{selector}{{{rule}}}" for selector, rule in rules.items())
