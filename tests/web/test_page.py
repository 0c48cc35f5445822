from pathlib import Path

import pytest

from kfasync.errors import ConfigError
from kfasync.station.advice import Language
from kfasync.station.config import load
from kfasync.station.feed import Feed
from kfasync.station.states import LaneState
from kfasync.station.station import Stock
from kfasync.web.page import Page, open_page
from tests.pcscd.floor import write_config
from tests.web.pages import PATIENCE_S, Stream, event, write_web


def test_without_a_section_there_is_no_page(tmp_path: Path) -> None:
    loaded = load(write_config(tmp_path))
    with open_page(loaded, Language.ENGLISH, Feed()) as page:
        assert page is None
    assert not (tmp_path / "var").exists()


def test_lanes_and_figures_reach_a_browser(served_page: tuple[Feed, Page]) -> None:
    feed, page = served_page
    with Stream(page.url) as stream:
        feed.publish(event(1, LaneState.WRITING, step=3, steps=17))
        (tile,) = (one for one in stream.until(1, LaneState.WRITING)[-1].tiles if one.slot == 1)
        assert (tile.step, tile.steps) == (3, 17)
        page.show_stock(Stock(content=5, outbox=2, unfinished=1), 29)
        while not (delta := stream.event()) or delta.strip is None:
            pass
        strip = delta.strip
        assert (strip.content, strip.outbox, strip.open, strip.certificate_d) == (5, 2, 1, 29)


def test_two_pages_on_one_port_are_refused(tmp_path: Path) -> None:
    first = write_web(tmp_path)
    with open_page(first, Language.ENGLISH, Feed()) as page:
        assert page is not None
        port = page.url.rstrip("/").rpartition(":")[2]
        other = tmp_path / "other"
        other.mkdir()
        second = write_web(other, f"port = {port}")
        with (
            pytest.raises(ConfigError, match="cannot listen"),
            open_page(second, Language.ENGLISH, Feed()),
        ):
            raise AssertionError


def test_a_page_that_cannot_be_told_any_more_says_so(tmp_path: Path) -> None:
    feed = Feed()
    heard = feed.subscribe()
    with open_page(write_web(tmp_path), Language.ENGLISH, feed):
        feed.publish(event(1, "no state"))  # type: ignore[arg-type]
        said = [getattr(one, "problem", "") for one in heard.take(PATIENCE_S)]
        while not any("shows nothing new any more" in problem for problem in said):
            said += [getattr(one, "problem", "") for one in heard.take(PATIENCE_S)]
