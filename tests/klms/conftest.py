"""Directories with a KLMS in them, filled; made once, because keys and containers take a while."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfasync.klms.depot import open_depot
from kfasync.klms.development import Plan, make
from kfasync.klms.store import Store
from tests.klms.world import AUTHORITIES, KILLS, PROFILE, ServerProcess, fill, make_pieces

CONTENTS = 120 + 8 * KILLS


@pytest.fixture(scope="session")
def _filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("klms") / "dev"
    loaded = make(directory, Plan(port=0))
    with open_depot(loaded) as depot:
        depot.stock.add(PROFILE, AUTHORITIES, make_pieces(CONTENTS))
    return directory


@pytest.fixture
def directory(_filled: Path, tmp_path: Path) -> Path:
    """A KLMS of the test's own, filled; nothing runs in it."""
    return Path(shutil.copytree(_filled, tmp_path / "dev"))


@pytest.fixture(scope="module")
def server(_filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that the tests of one module share."""
    copy = shutil.copytree(_filled, tmp_path_factory.mktemp("served") / "dev")
    with ServerProcess(Path(copy)) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A pool of five."""
    filled = fill(tmp_path / "pool.sqlite", 5)
    yield filled
    filled.close()
