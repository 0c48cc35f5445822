from xml.etree import ElementTree

from kfasync.bench.chart import WIDTH
from kfasync.bench.pipeline.slide import draw
from tests.bench.pipeline.reports import fob, report

SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_says_efficiency_conditions_machine_and_every_stage() -> None:
    svg = ElementTree.fromstring(draw(report(), "A <CPU> & more"))
    texts = [node.text or "" for node in svg.iter(f"{SVG}text")]
    assert "80.0 % of a lane's time is card time" in texts
    assert "A <CPU> & more" in texts
    assert {"Placed", "ReadUid", "Result", "Fob"} < set(texts)
    assert "450.0 / 450.0 ms" in texts
    description = svg.find(f"{SVG}desc")
    assert description is not None
    assert "ReadUid: 450.0 ms" in (description.text or "")


def test_every_bar_is_within_the_picture() -> None:
    svg = ElementTree.fromstring(draw(report(fob(0), fob(1, lane_s=5.0)), "A CPU"))
    bars = [node for node in svg.iter(f"{SVG}rect") if node.attrib["class"] != "ground"]
    assert len(bars) == 3 + 3 * 4  # the legend, and three for each stage
    for bar in bars:
        assert float(bar.attrib["width"]) >= 0
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) <= WIDTH


def test_it_fetches_nothing() -> None:
    drawn = draw(report(), "A CPU")
    assert "href" not in drawn
    assert "url(" not in drawn
    assert "<script" not in drawn
