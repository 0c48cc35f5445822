"""What every test may use: both event loops, and hypothesis in a calm setting."""

import importlib.util

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


def pytest_configure() -> None:
    # anyio's plugin drops the trio half without a word when trio is not there.
    if importlib.util.find_spec("trio") is None:
        raise pytest.UsageError("trio is not installed: pip install -e '.[dev]'")
