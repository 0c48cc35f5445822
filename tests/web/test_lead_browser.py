"""The lead's page in a real browser, by keyboard alone."""

import datetime
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from kfasync.ledger.ledger import Ledger
from kfasync.station.advice import Language
from tests.web.browsers import browser, contrast, shown
from tests.web.histories import attempt, fill, write
from tests.web.pages import record, served
from tests.web.test_look import CONTRAST, TEXTS

MARKUP = "<img src=x onerror='window.hurt=1'>"
NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("lead")
    fill(found / "var", 130)
    return found


@pytest.fixture(scope="module")
def url(directory: Path) -> Iterator[str]:
    with served(directory) as (_, page):
        yield page.url


def numbers(tab: Tab) -> list[int]:
    return [int(text) for text in tab.locator("#history tbody button").all_text_contents()]


def tab_to(tab: Tab, selector: str) -> None:
    """With the key of that name, as whoever has no mouse."""
    for _ in range(80):
        if tab.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
        tab.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached")


def test_a_fob_is_found_and_its_record_read_by_keyboard_alone(chromium: Browser, url: str) -> None:
    wanted = attempt(77, NOW)
    with shown(chromium, url) as tab:
        tab.keyboard.press("h")
        tab.wait_for_url("**/lead")
        tab.locator("body[data-link=ok]").wait_for()
        assert numbers(tab) == list(range(130, 80, -1))
        tab.keyboard.press("/")
        tab.keyboard.type((wanted.uid or "").lower())
        tab.keyboard.press("Enter")
        expect(tab.locator("#history tbody button")).to_have_count(1)
        tab_to(tab, "#history tbody button")
        tab.keyboard.press("Enter")
        box = tab.locator("#record[open]")
        box.wait_for()
        for said in (wanted.fesn, wanted.uid, wanted.reader, "84E200"):
            assert str(said) in box.inner_text()
        assert box.locator("#record-stages rect").count() == 7
        tab.keyboard.press("Escape")
        expect(tab.locator("#record[open]")).to_have_count(0)
        tab.keyboard.press("Escape")
        tab.wait_for_url(url)


def test_the_history_goes_back_page_by_page(chromium: Browser, url: str) -> None:
    with shown(chromium, f"{url}lead") as tab:
        for first, last in ((80, 31), (30, 1)):
            tab_to(tab, "#older")
            tab.keyboard.press("Enter")
            tab.locator(f"#history table[data-first='{first}']").wait_for()
            assert numbers(tab) == list(range(first, last - 1, -1))
        assert tab.locator("#older").is_disabled()
        tab.locator("#newest").focus()
        tab.keyboard.press("Enter")
        tab.locator("#history table[data-first='130']").wait_for()


def test_yield_and_stages_are_charts_with_their_figures(chromium: Browser, url: str) -> None:
    with shown(chromium, f"{url}lead") as tab:
        tab_to(tab, "#days button[data-days='30']")
        tab.keyboard.press("Enter")
        tab.locator("#yield table[data-days='30']").wait_for()
        assert tab.locator("#sums").inner_text() == (
            "88.8 %: 103 passed, 13 failed, 14 to come again"
        )
        wide = [
            tab.locator("#yield rect").nth(n).evaluate("(one) => one.getBoundingClientRect().width")
            for n in range(4)
        ]
        pieces = [int(one) for one in tab.locator("#yield td:nth-child(3)").all_text_contents()]
        assert sum(pieces) == 130
        for width, count in zip(wide, pieces, strict=True):
            assert width / wide[0] == pytest.approx(count / pieces[0], abs=0.02)
        assert tab.locator("#stages tbody tr").count() == 7
        assert tab.locator("#stages rect").count() == 21


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_seven_to_one_and_axe_finds_nothing(
    chromium: Browser, url: str, scheme: str
) -> None:
    with shown(chromium, f"{url}lead", scheme=scheme) as tab:
        texts = tab.evaluate(TEXTS)
        assert Axe().run(tab).response["violations"] == []
        tab.locator("#history tbody button").first.press("Enter")
        tab.locator("#record[open]").wait_for()
        texts += tab.evaluate(TEXTS)
        assert Axe().run(tab).response["violations"] == []
        assert len(texts) > 300
        worst = min(texts, key=lambda one: contrast(tuple(one["ink"]), tuple(one["ground"])))
        assert contrast(tuple(worst["ink"]), tuple(worst["ground"])) >= CONTRAST, worst


def test_markup_in_a_record_stays_text(chromium: Browser, tmp_path: Path) -> None:
    with closing(Ledger.open(tmp_path / "var")) as ledger:
        evil: dict[str, Any] = dict.fromkeys(
            ("fesn", "spid", "reader", "cause", "message", "station"), MARKUP
        )
        write(ledger, record(**evil, finished=MARKUP))
    with (
        served(tmp_path, language=Language.GERMAN) as (_, page),
        shown(chromium, f"{page.url}lead") as tab,
    ):
        assert tab.locator("html").get_attribute("lang") == "de"
        assert tab.locator("#history tbody").inner_text().count(MARKUP) == 3
        tab.locator("#history tbody button").first.press("Enter")
        tab.locator("#record[open]").wait_for()
        assert tab.locator("#record").inner_text().count(MARKUP) >= 6
        assert tab.locator("img").count() == 0
        assert tab.evaluate("() => window.hurt") is None


def test_a_ledger_that_is_away_is_said(chromium: Browser, tmp_path: Path) -> None:
    with served(tmp_path) as (_, page), shown(chromium, f"{page.url}lead") as tab:
        expect(tab.locator("#banner")).to_have_text("The ledger cannot be read at this moment")
        fill(tmp_path / "var", 1)
        tab.locator("#newest").press("Enter")
        expect(tab.locator("#history tbody button")).to_have_count(1)
        expect(tab.locator("#banner")).to_be_hidden()
