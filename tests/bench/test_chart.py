from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.bench.chart import WIDTH, Bar, Chart
from kfasync.bench.rounds import Family

SVG = "{http://www.w3.org/2000/svg}"
BARS = (
    Bar("slow <one>", Family.PURE, 2500.0),
    Bar("quick & small", Family.NATIVE, 2.5),
    Bar("middling", Family.CRYPTOGRAPHY, 50.0),
)


def chart(
    bars: tuple[Bar, ...] = BARS, line: tuple[str, float] | None = ("floor", 1.5)
) -> ElementTree.Element:
    drawn = Chart("A title", "what of", "µs", ("a note", "another"), bars, line).draw()
    return ElementTree.fromstring(drawn)


def texts(svg: ElementTree.Element) -> list[str]:
    return [node.text or "" for node in svg.iter(f"{SVG}text")]


def widths(svg: ElementTree.Element) -> list[float]:
    return [float(node.attrib["width"]) for node in svg.iter(f"{SVG}rect") if "rx" in node.attrib]


def test_it_is_svg_and_holds_every_label_and_value() -> None:
    found = texts(chart())
    assert {bar.label for bar in BARS} < set(found)
    assert {"2,500", "2.50", "50.0", "floor 1.50"} < set(found)
    assert {"A title", "what of", "µs", "a note", "another"} < set(found)


def test_it_can_be_read_without_being_seen() -> None:
    svg = chart()
    title, description = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
    assert svg.attrib["role"] == "img"
    assert title is not None
    assert description is not None
    assert svg.attrib["aria-labelledby"] == f"{title.attrib['id']} {description.attrib['id']}"
    assert all(bar.label in (description.text or "") for bar in BARS)
    assert "floor 1.50" in (description.text or "")


def test_it_fetches_nothing() -> None:
    drawn = ElementTree.tostring(chart(), "unicode")
    assert "href" not in drawn
    assert "url(" not in drawn
    assert "<script" not in drawn


def test_the_longest_bar_comes_first() -> None:
    _, *bars = widths(chart())
    assert len(bars) == 3
    assert bars == sorted(bars, reverse=True)


def test_ten_times_as_much_is_always_as_much_longer() -> None:
    bars = tuple(Bar(str(power), Family.NATIVE, 10.0**power) for power in range(1, 5))
    _, *found = widths(chart(bars, line=("floor", 1.0)))
    steps = [longer - shorter for longer, shorter in pairwise(found)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.2)


def test_only_families_that_are_there_are_explained() -> None:
    found = texts(chart())
    assert Family.PURE.value in found
    assert Family.PEER.value not in found


def test_without_a_line_there_is_none() -> None:
    svg = chart(line=None)
    assert [node for node in svg.iter(f"{SVG}line") if node.attrib["class"] == "floor"] == []


@given(st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=20))
def test_every_bar_is_within_the_picture(values: list[float]) -> None:
    svg = chart(tuple(Bar("one", Family.NATIVE, value) for value in values), line=None)
    for node in svg.iter(f"{SVG}rect"):
        assert float(node.attrib["width"]) > 0
        assert float(node.attrib.get("x", 0)) + float(node.attrib["width"]) <= WIDTH
