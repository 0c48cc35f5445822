"""What every test of a provider begins with."""

import pytest

from tests.sources.provider.hosts import disregard_others


@pytest.fixture(autouse=True)
def _only_own_children() -> None:
    disregard_others()
