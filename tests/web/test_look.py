"""How the page looks in a real browser: sizes, contrast, colours, words, accessibility."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab

from kfasync.station.advice import CATALOGUE, Advice, Language, both
from kfasync.station.feed import Feed
from kfasync.station.states import LaneState
from kfasync.web.page import Page
from tests.web.browsers import Lab, browser, ciede2000, colour_at, contrast, lab, shown
from tests.web.pages import event, result, served
from tests.web.scenes import ORDER, show

CAPITALS_PX = 50  # read from three metres on a 24-inch screen
CONTRAST = 7.0
APART = 15.0  # CIEDE2000; a neighbour at 2.3 is just seen to be another colour

# Of all elements with text of their own: colour, background, and what was measured of them.
TEXTS = """() => [...document.querySelectorAll('body *')].flatMap((one) => {
  const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !one.checkVisibility()) return [];
  let behind = one;
  const clear = 'rgba(0, 0, 0, 0)';
  while (getComputedStyle(behind).backgroundColor === clear) behind = behind.parentElement;
  const numbers = (colour) => colour.match(/\\d+/g).slice(0, 3).map(Number);
  return [{ said: one.textContent, ink: numbers(getComputedStyle(one).color),
            ground: numbers(getComputedStyle(behind).backgroundColor) }];
})"""
CAPITALS = """(selector) => [...document.querySelectorAll(selector)].map((one) => {
  const style = getComputedStyle(one);
  const pen = document.createElement('canvas').getContext('2d');
  pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const box = one.getBoundingClientRect();
  const range = document.createRange();
  range.selectNodeContents(one);
  const words = range.getBoundingClientRect();
  return { capitals: pen.measureText('H').actualBoundingBoxAscent, said: one.textContent,
           over: Math.max(words.right - one.parentElement.getBoundingClientRect().right, 0),
           font: document.fonts.check(pen.font) };
})"""

CUT = """(selector) => [...document.querySelectorAll(selector)]
  .filter((one) => one.scrollHeight > one.clientHeight + 5 || one.scrollWidth > one.clientWidth)
  .map((one) => one.textContent)"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def sixteen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Feed, Page]]:
    with served(tmp_path_factory.mktemp("page")) as (feed, page):
        show(feed, page, 16)
        yield feed, page


@pytest.fixture(scope="module")
def tab(chromium: Browser, sixteen: tuple[Feed, Page]) -> Iterator[Tab]:
    with shown(chromium, sixteen[1].url) as found:
        found.locator("#lane-16").wait_for()
        yield found


def test_every_state_has_its_word_its_glyph_and_what_to_do(tab: Tab) -> None:
    tiles = [tab.locator(f"#lane-{slot}") for slot in range(1, 17)]
    seen = {
        state: (
            tile.locator(".word").inner_text(),
            tile.locator("path").get_attribute("d"),
            tile.locator(".do").inner_text(),
        )
        for state, tile in zip(ORDER, tiles, strict=True)
    }
    assert set(seen) == set(LaneState)
    # Without any colour: no two states share a word or a glyph.
    assert len({word for word, _, _ in seen.values()}) == len(LaneState)
    assert len({glyph for _, glyph, _ in seen.values()}) == len(LaneState)
    assert all(do for _, _, do in seen.values())
    assert [tile.locator(".place").inner_text() for tile in tiles] == [str(n) for n in range(1, 17)]
    failed = tab.locator("#lane-3")
    assert failed.locator(".code").inner_text().strip() == "6581"
    assert "the card's memory failed. Put the fob in the reject bin" in failed.inner_text()
    assert tab.locator("#lane-2 progress").evaluate("one => [one.value, one.max]") == [8, 17]


@pytest.mark.parametrize("language", Language)
def test_at_sixteen_lanes_words_are_tall_enough_for_three_metres_and_all_advice_fits(
    chromium: Browser, tmp_path: Path, language: Language
) -> None:
    with served(tmp_path, language=language) as (feed, page), shown(chromium, page.url) as tab:
        show(feed, page, 16)
        tab.locator("#lane-16").wait_for()
        measured = [*tab.evaluate(CAPITALS, ".word"), *tab.evaluate(CAPITALS, "#banner")]
        assert len(measured) == 17
        for one in measured:
            assert one["font"], "the font is not loaded"
            assert one["capitals"] >= CAPITALS_PX, one
            assert one["over"] == 0, one
        print(f"capitals {language.value}: {min(one['capitals'] for one in measured):.1f} px")
        told = int(tab.locator("body").get_attribute("data-results") or 0)
        # What is longest: the rest fits where these do.
        rows = sorted(CATALOGUE.items(), key=lambda row: -_length(row[0], row[1], language))[:48]
        for number, (key, row) in enumerate(rows):
            cause, _, disposition = key.partition(":")
            failed = {"cause": cause, "sw": None, "attempt": str(number)}
            failed |= {"message": row.happened, "operator_action": row.action}
            state = LaneState(disposition) if disposition else LaneState.FAIL
            feed.publish(result(1 + number % 16, state, **failed))
            if number % 16 == 15:
                tab.locator(f"body[data-results='{told + number + 1}']").wait_for()
                for selector in (".why", ".do"):
                    assert tab.evaluate(CUT, selector) == []


def _length(key: str, row: Advice, language: Language) -> int:
    cause = key.partition(":")[0]
    return len(cause) + sum(map(len, both(key, None, row.happened, row.action, language)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_seven_to_one_and_axe_finds_nothing(
    chromium: Browser, sixteen: tuple[Feed, Page], scheme: str
) -> None:
    feed, page = sixteen
    with shown(chromium, page.url, scheme=scheme) as tab:
        tab.locator("#lane-16").wait_for()
        with_banner = tab.evaluate(TEXTS)
        # And with the figures that the banner covers.
        feed.publish(event(6, LaneState.READING))
        tab.locator("#lane-6.reading").wait_for()
        texts = with_banner + tab.evaluate(TEXTS)
        assert len(texts) > 100
        worst = min(texts, key=lambda one: contrast(tuple(one["ink"]), tuple(one["ground"])))
        found = contrast(tuple(worst["ink"]), tuple(worst["ground"]))
        print(f"contrast {scheme}: {found:.2f}")
        assert found >= CONTRAST, worst
        # What the style says is what is painted.
        painted = colour_at(tab, tab.locator("#lane-2"))
        assert painted == (0x00, 0x47, 0xA0)
        axe = Axe()
        assert axe.run(tab).response["violations"] == []
        tab.evaluate("() => document.querySelector('#lane-1 .word').style.color = '#1fbf90'")
        tab.evaluate("() => document.documentElement.removeAttribute('lang')")
        planted = {one["id"] for one in axe.run(tab).response["violations"]}
        assert planted >= {"color-contrast", "html-has-lang"}
        feed.publish(event(6, LaneState.STOPPED, message="again"))


def test_what_to_do_is_told_apart_by_colour_under_every_colour_vision(tab: Tab) -> None:
    # One lane of each colour: what to do is the same where they share one.
    slots = {"leave": 2, "take": 1, "failed": 3, "again": 4, "doubt": 5, "call": 7}
    session = tab.context.new_cdp_session(tab)
    closest = {}
    for sight in ("none", "protanopia", "deuteranopia", "tritanopia"):
        session.send("Emulation.setEmulatedVisionDeficiency", {"type": sight})
        seen = {name: lab(colour_at(tab, tab.locator(f"#lane-{n}"))) for name, n in slots.items()}
        pairs = combinations(seen, 2)
        closest[sight] = min((ciede2000(seen[a], seen[b]), a, b) for a, b in pairs)
    session.send("Emulation.setEmulatedVisionDeficiency", {"type": "none"})
    print(f"apart: {closest}")
    assert all(found >= APART for found, _, _ in closest.values()), closest


def test_the_difference_of_colours_is_that_of_its_authors() -> None:
    # Sharma, Wu, Dalal, "The CIEDE2000 Color-Difference Formula", 2005, table 1.
    for one, other, expected in (
        (Lab(50, 2.6772, -79.7751), Lab(50, 0, -82.7485), 2.0425),
        (Lab(50, 0, 0), Lab(50, -1, 2), 2.3669),
        (Lab(50, 2.5, 0), Lab(73, 25, -18), 27.1492),
        (Lab(60.2574, -34.0099, 36.2677), Lab(60.4626, -34.1751, 39.4387), 1.2644),
        (Lab(2.0776, 0.0795, -1.135), Lab(0.9033, -0.0636, -0.5514), 0.9082),
    ):
        assert ciede2000(one, other) == pytest.approx(expected, abs=1e-4)
