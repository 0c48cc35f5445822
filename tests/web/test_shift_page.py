"""The check list on the page: in its banner while something is open, and whole by a key."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from kfasync.station.advice import Language
from kfasync.station.batch import Check, CheckState
from kfasync.station.states import LaneState
from kfasync.station.station import Stock
from tests.web.browsers import browser, contrast, shown
from tests.web.pages import event, served
from tests.web.test_look import CONTRAST, TEXTS

GOOD, DUE, RED = CheckState.GOOD, CheckState.DUE, CheckState.RED
MARKUP = "<img src=x onerror='window.hurt=1'>"
LIST = (
    Check("crypto", GOOD, "known answers"),
    Check("readers", RED, MARKUP),
    Check("golden", GOOD, "fob 04A1B2C3D4E5F6 was found good"),
    Check("known-bad", DUE, "place it on any reader"),
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.mark.parametrize(
    ("language", "scheme", "banner", "words"),
    [
        (
            Language.ENGLISH,
            "light",
            "Check list: readers, known-bad fob",
            ["good", "red", "good", "due"],
        ),
        (
            Language.GERMAN,
            "dark",
            "Prüfliste: Leser, Schlecht-Fob",
            ["gut", "rot", "gut", "fällig"],
        ),
    ],
)
def test_what_is_open_is_in_the_banner_and_the_list_comes_by_a_key(
    chromium: Browser,
    tmp_path: Path,
    language: Language,
    scheme: str,
    banner: str,
    words: list[str],
) -> None:
    with (
        served(tmp_path, language=language) as (feed, page),
        shown(chromium, page.url, scheme=scheme) as tab,
    ):
        feed.publish(event(1, LaneState.EMPTY))
        page.show_stock(Stock(checks=LIST), None)
        expect(tab.locator("#banner")).to_have_text(banner)
        tab.keyboard.press("c")
        tab.locator("#checks[open]").wait_for()
        assert tab.locator("#checks tbody b").all_text_contents() == words
        assert MARKUP in tab.locator("#checks tbody").inner_text()
        assert tab.locator("img").count() == 0
        texts = tab.evaluate(TEXTS)
        worst = min(texts, key=lambda one: contrast(tuple(one["ink"]), tuple(one["ground"])))
        assert contrast(tuple(worst["ink"]), tuple(worst["ground"])) >= CONTRAST, worst
        assert Axe().run(tab).response["violations"] == []
        # No other key does anything behind it, and what changes meanwhile is shown.
        tab.keyboard.press("h")
        page.show_stock(Stock(checks=(*LIST[:1], Check("readers", GOOD, "2 there"))), None)
        expect(tab.locator("#checks tbody tr")).to_have_count(2)
        expect(tab.locator("#banner")).to_be_hidden()
        tab.keyboard.press("Escape")
        expect(tab.locator("#checks[open]")).to_have_count(0)
        assert tab.url == page.url


def test_a_banner_has_room_for_three_names_and_none_is_for_a_station_without_a_list(
    chromium: Browser, tmp_path: Path
) -> None:
    with served(tmp_path) as (feed, page), shown(chromium, page.url) as tab:
        feed.publish(event(1, LaneState.EMPTY))
        tab.locator("#lane-1").wait_for()
        tab.keyboard.press("c")
        expect(tab.locator("#said")).to_have_text("nothing to do that with")
        names = ("key server", "certificate", "content", "known-bad", "library")
        page.show_stock(Stock(checks=tuple(Check(name, RED, "") for name in names)), None)
        banner = tab.locator("#banner")
        expect(banner).to_have_text("Check list: key server, certificate, content, ...")
        assert banner.evaluate("(one) => one.scrollWidth <= one.clientWidth")
