from collections.abc import Iterator

import pytest

from kfasync.station.feed import Feed
from kfasync.web.page import Page
from tests.web.pages import served


@pytest.fixture(scope="module")
def served_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Feed, Page]]:
    """A page for the tests of one file."""
    with served(tmp_path_factory.mktemp("page")) as found:
        yield found
