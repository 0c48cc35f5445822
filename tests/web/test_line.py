"""Forty fobs on four lanes, and what a person does meanwhile, with the keyboard alone."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab

from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import SimulatedFob
from tests.pcscd.floor import new_fob
from tests.station.desks import sql
from tests.web.browsers import browser, shown
from tests.web.lines import PIN, working

MEMORY = Fault(FaultKind.STATUS_WORD, at=8, sw=0x6581)
TORN = Fault(FaultKind.TORN_BEFORE, at=8)
TORN_AT_THE_LAST = Fault(FaultKind.TORN_AFTER, at=15)
REFUSED = Fault(FaultKind.STATUS_WORD, at=4, sw=0x6982)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


def good(count: int) -> list[SimulatedFob]:
    return [new_fob() for _ in range(count)]


def type_in(tab: Tab, *answers: str) -> None:
    """What a keyboard or a barcode scanner sends."""
    for answer in answers:
        tab.locator("#ask-answer:focus").wait_for()
        tab.keyboard.insert_text(answer)
        tab.keyboard.press("Enter")


def said(tab: Tab, words: str) -> None:
    place = tab.locator("#said")
    place.wait_for()
    assert words in place.inner_text()


def test_forty_fobs_are_driven_to_the_end_with_the_keyboard_alone(
    chromium: Browser, tmp_path: Path
) -> None:
    torn = new_fob(TORN)
    trays = [
        [*good(3), new_fob(REFUSED), new_fob(REFUSED), *good(5)],
        [*good(9), new_fob(MEMORY)],
        [*good(4), torn, torn, *good(5)],
        [*good(9), new_fob(TORN_AT_THE_LAST)],
    ]
    assert len({id(fob) for tray in trays for fob in tray}) == 40
    with working(tmp_path, trays) as line, shown(chromium, line.url) as tab:
        for place in ("#lane-1.stopped", "#lane-2.fail", "#lane-3.pass", "#lane-4.in-doubt"):
            tab.locator(place).wait_for()
        tab.locator("#banner", has_text="Lane 1 has stopped").wait_for()
        # The lead comes, and types the wrong PIN first.
        tab.keyboard.press("r")
        type_in(tab, "1", "000000", "keys were checked")
        said(tab, "wrong PIN; tries left: 4")
        tab.keyboard.press("r")
        tab.locator("#ask-answer:focus").wait_for()
        assert tab.locator("#ask-answer").input_value() == "1"
        tab.keyboard.press("Enter")
        assert tab.locator("#ask-answer").get_attribute("type") == "password"
        tab.keyboard.press("Escape")
        tab.keyboard.press("r")
        type_in(tab, "1", PIN, "keys were checked")
        said(tab, "done")
        tab.locator("#lane-1.pass").wait_for()
        # An operator has seen the failed fob, and the lead decides on the one in doubt.
        tab.keyboard.press("a")
        type_in(tab, "2")
        tab.locator("#lane-2 .seen", has_text="seen").wait_for()
        uid = tab.locator("#lane-4 .uid").inner_text()
        tab.keyboard.press("d")
        tab.locator("#ask-answer:focus").wait_for()
        assert tab.locator("#ask-answer").input_value() == uid
        tab.keyboard.press("Enter")
        type_in(tab, "3", "1", PIN, "not worth a second look")
        said(tab, "done")
        tab.locator("body[data-results='41']").wait_for()
        tab.locator("#strip div", has_text="fobs this hour").locator("dd", has_text="36").wait_for()
    check_records(tmp_path / "var", uid)
    for path in (tmp_path / "var").iterdir():
        assert PIN.encode() not in path.read_bytes(), path


def check_records(directory: Path, uid: str) -> None:
    rows = sql(directory, "SELECT disposition, json FROM record")
    counts = Counter(disposition for disposition, _ in rows)
    assert counts == {
        "pass": 36,
        "fail": 3,
        "bound": 1,
        "in-doubt": 1,
        "resumed": 1,
        "acknowledged": 1,
        "resolved": 1,
    }
    decided = {one: json.loads(text) for one, text in rows if one in ("resumed", "resolved")}
    assert decided["resumed"]["message"] == "keys were checked"
    assert (decided["resumed"]["slot"], decided["resumed"]["by"]) == (1, "page")
    assert (decided["resolved"]["uid"], decided["resolved"]["resolved_as"]) == (uid, "fail")
    log = (directory / "audit.jsonl").read_text("utf-8")
    assert "not worth a second look" in log
