from xml.etree import ElementTree

from kfasync.bench.slide import chart
from tests.bench.reports import FIGURES, report


def test_the_slide_shows_everybody_who_does_a_fob_and_the_floor() -> None:
    drawn = chart(report())
    assert {bar.label for bar in drawn.bars} == {
        "pure Python",
        "a CMAC <copied>",
        "one call & no more",
        "C alone *",
    }
    assert drawn.line is not None
    assert drawn.line[1] == 1.65
    ElementTree.fromstring(drawn.draw())


def test_the_slide_says_on_what_and_how_often() -> None:
    said = " ".join(chart(report()).notes)
    assert "A CPU" in said
    assert "42 interleaved rounds" in said
    assert "cryptography 50.0.0" in said


def test_without_a_latency_the_slide_has_no_floor() -> None:
    assert chart(report(FIGURES[:4])).line is None
