"""Stations, fobs and one reader, for tests that call ``kfasync provision`` again and again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfasync.sim.faults import Fault
from kfasync.sim.fob import SimulatedFob
from tests.pcscd.floor import sample_keys, write_config
from tests.station.desks import uid

Serve = Callable[[Path, SimulatedFob], dict[str, Any]]


def fob(number: int, *faults: Fault, **further: Any) -> SimulatedFob:
    return SimulatedFob(uid=uid(number), keys=sample_keys(), faults=faults, **further)


def station(directory: Path, made: int = 4, **changes: str) -> Path:
    directory.mkdir()
    return write_config(directory, made=made, **changes)


def containers(config: Path) -> list[Path]:
    return sorted(config.with_name("containers").glob("[!.]*"))
