"""Makes the pictures of both pages in docs/: ``python -m tests.web.pictures docs``."""

import datetime
import sys
import tempfile
from pathlib import Path

from kfasync.station.station import Stock
from tests.web.browsers import browser, shown
from tests.web.histories import fill
from tests.web.pages import served
from tests.web.scenes import show


def main(directory: Path) -> None:
    """One for 1, 4 and 16 lanes, and one of the lead's page."""
    with browser() as chromium:
        for lanes, scheme in ((1, "light"), (4, "light"), (16, "dark")):
            with tempfile.TemporaryDirectory() as place, served(Path(place)) as (feed, page):
                show(feed, page, lanes)
                with shown(chromium, page.url, scheme=scheme) as tab:
                    tab.locator(f"#lane-{lanes}").wait_for()
                    # Once more, for by now the results are counted.
                    page.show_stock(Stock(content=412, outbox=2, unfinished=1), 212)
                    tab.locator("#strip dt", has_text="yield").first.wait_for(state="attached")
                    tab.screenshot(path=directory / f"page-{lanes}.png")
        with tempfile.TemporaryDirectory() as place:
            fill(Path(place) / "var", 800, datetime.datetime.now().astimezone().replace(hour=23))
            with (
                served(Path(place)) as (_, page),
                shown(chromium, f"{page.url}lead", scheme="light") as tab,
            ):
                tab.screenshot(path=directory / "page-lead.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
