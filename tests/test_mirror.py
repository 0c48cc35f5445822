"""Every module has its tests at the mirrored path, and the package shows what it means to."""

import re
from pathlib import Path

import pytest

import kfasync

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "kfasync"
ELSEWHERE = {
    "cards/context.py": "cards/test_pcsc.py",  # which only readers make
    "ledger/statements.py": "ledger/test_ledger.py",  # which only the ledger executes
    "ledger/about.py": "ledger/test_ledger.py",  # a part of the ledger
    "ledger/attempts.py": "ledger/test_ledger.py",  # the ledger's own side of an attempt
    "ledger/issue.py": "ledger/test_ledger.py",  # what the ledger says of content
    "ledger/shelf.py": "ledger/test_ledger.py",  # a part of the ledger
    "ledger/values.py": "ledger/test_ledger.py",  # names of values of its statements
    "station/advice_de.py": "station/test_advice.py",  # the same rows
    "station/desk.py": "station/test_station.py",  # one struct, which only stations make
    "station/keys.py": "station/test_config.py",  # a table of the configuration
    "station/assembly.py": "station/test_station.py",  # no station without it
    "station/toml.py": "station/test_config.py",  # by what a configuration may have wrong
    "station/setup.py": "station/test_station.py",  # one match, which only stations ask
    "station/events.py": "station/test_lane.py",  # two types, which only lanes make
    "web/view.py": "web/test_reporter.py",  # structs, which only the reporter makes
}
MODULES = sorted(
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*.py")
    if not path.name.startswith("_")  # packages, and what cffi makes
)


def mirror(module: str) -> Path:
    path = Path(module)
    return TESTS / ELSEWHERE.get(module, path.with_name(f"test_{path.name}"))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_its_tests(module: str) -> None:
    assert re.search(r"(?m)^(async )?def test_", mirror(module).read_text("utf-8"))


def test_the_exceptions_are_modules_that_are_there() -> None:
    assert set(ELSEWHERE) <= set(MODULES)


def test_the_package_shows_exactly_what_an_integrator_needs() -> None:
    assert kfasync.__all__ == [
        "CardProfile",
        "Conclusion",
        "KfError",
        "LaneEvent",
        "LoadedConfig",
        "PcscReaders",
        "Secret",
        "SimulatedReaders",
        "Station",
        "__version__",
        "load",
        "open_station",
    ]
    assert [name for name in kfasync.__all__ if not hasattr(kfasync, name)] == []
