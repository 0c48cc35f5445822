from collections.abc import Iterable
from xml.etree import ElementTree

import msgspec

from kfasync.bench.chart import WIDTH
from kfasync.bench.pipeline.overlap import rows
from kfasync.bench.pipeline.requests import Request
from kfasync.bench.pipeline.slide import draw
from tests.bench.pipeline.reports import fob, report

# Six fobs on two readers; those of the reader "simulated 00" are placed at 100, 102 and 104 s.
FOBS = [fob(number) for number in range(6)]
FIRST, OTHER, SECOND, _, THIRD, _ = (one.uid for one in FOBS)


def strip(*requests: Request) -> list[ElementTree.Element]:
    run = msgspec.structs.replace(report(*FOBS), requests=requests)
    return [ElementTree.fromstring(line) for line in rows(run, 100)]


def texts(elements: Iterable[ElementTree.Element]) -> set[str]:
    return {one.text or "" for one in elements if one.tag == "text"}


def test_requests_stand_under_the_fobs_that_they_are_about() -> None:
    drawn = strip(
        Request(True, (FIRST,), 99.9, 100.2),
        Request(False, (FIRST, SECOND), 102.6, 103.0),
        Request(True, (OTHER,), 101.0, 101.2),
        Request(True, (THIRD,), 50.0, 50.2),
    )
    assert {
        "fob 1",
        "fob 2",
        "fob 3",
        "fob 1 fob 2",
        "◂ fetched before: the lease of fob 3",
    } < texts(drawn)
    bars = [one for one in drawn if one.tag == "rect"]
    kinds = [one.attrib["class"] for one in bars]
    assert (kinds.count("lease"), kinds.count("ends"), kinds.count("tail")) == (1, 1, 1)
    for bar in bars:
        assert float(bar.attrib["width"]) >= 0
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) <= WIDTH
    # The lease began before its fob was placed, and ended while it was on the lane.
    lease = next(one for one in bars if one.attrib["class"] == "lease")
    placed = min(float(one.attrib["x"]) for one in bars if one.attrib["class"] == "card")
    began = float(lease.attrib["x"])
    assert began < placed < began + float(lease.attrib["width"])


def test_there_is_no_strip_without_requests_or_without_three_fobs_on_a_lane() -> None:
    assert strip() == []
    few = msgspec.structs.replace(report(), requests=(Request(True, (FIRST,), 100.0, 100.1),))
    assert list(rows(few, 100)) == []


def test_the_picture_grows_by_the_strip() -> None:
    run = report(*FOBS)
    asked = msgspec.structs.replace(run, requests=(Request(True, (FIRST,), 100.0, 100.1),))
    small, large = (ElementTree.fromstring(draw(one, "A CPU")) for one in (run, asked))
    heights = [int(one.attrib["viewBox"].split()[3]) for one in (small, large)]
    assert heights[1] > heights[0]
    found = large.iter("{http://www.w3.org/2000/svg}text")
    assert "Three fobs on simulated 00, and the requests meanwhile" in {one.text for one in found}
