"""What the page does in a real browser: cut off and back, a second one, markup, tones."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab

from kfasync.station.feed import Feed
from kfasync.station.states import LaneState
from kfasync.web.page import Page
from tests.web.browsers import PATIENCE_MS, browser, shown
from tests.web.pages import event, result, served
from tests.web.test_app import TOKEN, make_certificate
from tests.web.test_keeper import children

MARKUP = "<img src=x onerror=\"document.title='owned'\"><b>&amp;'\""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


def texts(tab: Tab) -> list[str]:
    return tab.locator(".tile").all_inner_texts()


def test_cut_off_and_back_five_times_every_result_counts_once(
    chromium: Browser, served_page: tuple[Feed, Page]
) -> None:
    feed, page = served_page
    count = 0
    (process,) = children()
    with shown(chromium, page.url) as tab, shown(chromium, page.url) as other:
        for cut in range(5):
            os.kill(process, signal.SIGSTOP)
            tab.locator("body[data-link=cut-off]").wait_for()
            assert "CUT OFF" in tab.locator("#banner").inner_text()
            for number in range(20):
                state = LaneState.FAIL if number % 5 == 0 else LaneState.PASS
                feed.publish(result(1 + number % 4, state, uid=f"04{cut:06}{number:06}"))
            feed.publish(event(1, LaneState.WRITING, uid=f"{cut}", step=cut, steps=17))
            count += 20
            os.kill(process, signal.SIGCONT)
            back = time.monotonic()
            tab.locator("body[data-link=ok]").wait_for()
            tab.locator("#lane-1.writing .uid", has_text=f"{cut}").wait_for()
            took_s = time.monotonic() - back
            print(f"back after {took_s:.2f} s")
            assert took_s < 1.0
            assert tab.locator("body").get_attribute("data-results") == str(count)
        other.locator(f"body[data-results='{count}']").wait_for()
        other.locator("#lane-1.writing .uid", has_text="4").wait_for()
        assert texts(tab) == texts(other)


def test_a_page_whose_process_is_killed_goes_on_where_it_was(
    chromium: Browser, tmp_path: Path
) -> None:
    others = set(children())
    with served(tmp_path) as (feed, page), shown(chromium, page.url) as tab:
        feed.publish(result(1, LaneState.PASS))
        tab.locator("body[data-results='1']").wait_for()
        (process,) = set(children()) - others
        os.kill(process, signal.SIGKILL)
        tab.locator("body[data-link=cut-off]").wait_for()
        feed.publish(result(2, LaneState.FAIL))
        tab.locator("body[data-link=ok][data-results='2']").wait_for()


def test_a_lane_that_has_stopped_and_a_whole_line_have_a_banner(
    chromium: Browser, served_page: tuple[Feed, Page]
) -> None:
    feed, page = served_page
    with shown(chromium, page.url) as tab:
        for tile in feed.lanes():
            feed.publish(event(tile.slot, LaneState.READER_FAULT, message="gone"))
        banner = tab.locator("#banner")
        assert not banner.is_visible()
        feed.publish(event(1, LaneState.PASS))
        feed.publish(event(2, LaneState.STOPPED, message="two in a row"))
        tab.locator("#banner", has_text="Lane 2 has stopped").wait_for()
        feed.publish(event(1, LaneState.STOPPED, message="two in a row"))
        tab.locator("#banner", has_text="The line has stopped").wait_for()
        for slot in (1, 2):
            feed.publish(event(slot, LaneState.EMPTY))
        banner.wait_for(state="hidden")


def test_markup_is_text_wherever_it_comes_from(chromium: Browser, tmp_path: Path) -> None:
    with served(tmp_path) as (feed, page), shown(chromium, page.url) as tab:
        told = {"uid": MARKUP, "fesn": MARKUP, "spid": MARKUP}
        feed.publish(result(1, LaneState.PASS, **told))
        feed.publish(
            result(2, LaneState.FAIL, cause=MARKUP, sw=None, message=MARKUP, operator_action=MARKUP)
        )
        feed.publish(event(3, LaneState.EMPTY, reader=MARKUP))
        feed.publish(event(4, LaneState.STOPPED, message=MARKUP))
        tab.locator("#lane-4").wait_for()
        for place in ("#lane-1 .uid", "#lane-1 .why", "#lane-3 .why"):
            assert tab.locator(place).text_content() == MARKUP
        assert (tab.locator("#lane-4 .why").text_content() or "").endswith(f": {MARKUP}")
        assert tab.locator("#lane-2 .why").text_content() == f"{MARKUP} {MARKUP}. {MARKUP}"
        assert tab.locator("img, b").count() == 0
        assert tab.title() == "EOL-01 - kfasync"


def test_a_tone_is_played_for_each_new_result_and_none_for_old_ones(
    chromium: Browser, tmp_path: Path
) -> None:
    listen = """() => {
      window.tones = [];
      const make = AudioContext.prototype.createOscillator;
      AudioContext.prototype.createOscillator = function () {
        const made = make.call(this);
        const start = made.start;
        made.start = function (when) {
          window.tones.push(this.frequency.value);
          start.call(this, when);
        };
        return made;
      };
    }"""
    with served(tmp_path) as (feed, page):
        feed.publish(result(1, LaneState.PASS))
        with shown(chromium, page.url) as tab:
            tab.locator("#lane-1.pass").wait_for()
            assert tab.locator("#sound").is_visible()
            tab.evaluate(listen)
            tab.keyboard.press("Shift")
            tab.locator("#sound").wait_for(state="hidden")
            feed.publish(result(2, LaneState.PASS))
            tab.locator("#lane-2.pass").wait_for()
            feed.publish(result(3, LaneState.FAIL))
            tab.locator("#lane-3.fail").wait_for()
            assert tab.evaluate("() => window.tones") == [1320, 330, 247]


def test_over_tls_the_token_comes_behind_the_hash_and_leaves_the_address(
    chromium: Browser, tmp_path: Path
) -> None:
    make_certificate(tmp_path)
    web = f'port = 0\ncertificate = "page.pem"\nkey = "page.key"\ntoken = "{TOKEN}"'
    context = chromium.new_context(ignore_https_errors=True)
    with served(tmp_path, web) as (feed, page), contextlib.closing(context):
        context.set_default_timeout(PATIENCE_MS)
        feed.publish(event(1, LaneState.WRITING))
        tab = context.new_page()
        tab.goto(page.url)
        tab.locator("#banner", has_text="needs its token").wait_for()
        assert tab.locator(".tile").count() == 0
        other = context.new_page()
        other.goto(f"{page.url}#token={TOKEN}")
        other.locator("#lane-1.writing").wait_for()
        assert other.url == page.url
        # The same window again, as after a power cut of the screen.
        other.reload()
        other.locator("#lane-1.writing").wait_for()
