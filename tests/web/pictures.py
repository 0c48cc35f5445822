"""Makes the pictures of the page in docs/: ``python -m tests.web.pictures docs``."""

import sys
import tempfile
from pathlib import Path

from kfasync.station.station import Stock
from tests.web.browsers import browser, shown
from tests.web.pages import served
from tests.web.scenes import show


def main(directory: Path) -> None:
    """One for 1, 4 and 16 lanes."""
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
