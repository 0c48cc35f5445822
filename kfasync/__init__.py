"""End-of-Line provisioning of NFC key fobs over GlobalPlatform SCP03.

What an integrator needs to run a station from Python::

    loaded = kfasync.load(Path("station.toml"))
    async with kfasync.open_station(loaded, kfasync.PcscReaders(), print) as station:
        result = await station.provision(reader, timeout_s=60)

Names are imported when they are first used, so that ``kfasync.core`` alone stays as light as
it is: it needs neither a database nor PC/SC.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kfasync.cards.pcsc import PcscReaders
    from kfasync.core.profile import CardProfile
    from kfasync.errors import KfError
    from kfasync.secret import Secret
    from kfasync.sim.reader import SimulatedReaders
    from kfasync.station.assembly import open_station
    from kfasync.station.attempt import Conclusion
    from kfasync.station.config import LoadedConfig, load
    from kfasync.station.events import LaneEvent
    from kfasync.station.station import Station

__version__ = "0.1.0"

__all__ = [
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

_HOMES = {
    "CardProfile": "kfasync.core.profile",
    "Conclusion": "kfasync.station.attempt",
    "KfError": "kfasync.errors",
    "LaneEvent": "kfasync.station.events",
    "LoadedConfig": "kfasync.station.config",
    "PcscReaders": "kfasync.cards.pcsc",
    "Secret": "kfasync.secret",
    "SimulatedReaders": "kfasync.sim.reader",
    "Station": "kfasync.station.station",
    "load": "kfasync.station.config",
    "open_station": "kfasync.station.assembly",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kfasync' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
