"""What every test may use: both event loops, and hypothesis in a calm setting."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.pcsc_fixtures import (  # noqa: F401  # fixtures
    pcscd,
    pcscd_of_the_session,
    place,
    readers,
    virtual_card,
)

# These machines are shared: a slow example is the neighbour's fault, never a finding.
settings.register_profile(
    "kfasync", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("kfasync")


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {}), id="asyncio"),
        pytest.param(("trio", {}), id="trio"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Run a test marked ``anyio`` under asyncio and under trio."""
    return request.param


# Rooms and files of few and long tests. They are begun first, or one of them would be the last of a
# run, and the other processes would have nothing to do meanwhile.
LONG = ("soak", "pcscd", "test_build.py", "web", "cli", "klms", "acceptance", "station")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent

    def turn(item: pytest.Item) -> int:
        room = item.path.relative_to(tests).parts[0]
        return LONG.index(room) if room in LONG else len(LONG)

    items.sort(key=turn)


def pytest_configure() -> None:
    # anyio's plugin drops the trio half without a word when trio is not there.
    if importlib.util.find_spec("trio") is None:
        raise pytest.UsageError("trio is not installed: pip install -e '.[dev]'")
