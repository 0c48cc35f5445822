"""The static keys of the fobs that are made for a configuration: a simulated one has to fit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from kfasync.crypto.heap import HeapVault
from kfasync.errors import ConfigError
from kfasync.klms.config import load
from kfasync.klms.depot import open_kdf3
from kfasync.model import KeySet, Touched
from kfasync.sim.fob import CONTACTLESS_ATR
from kfasync.sources.provider.host import ProviderHost
from kfasync.station.config import KlmsSection, LoadedConfig, ProviderSection

KLMS_CONFIG = "klms.toml"


@contextmanager
def sample_keys(loaded: LoadedConfig) -> Iterator[Callable[[bytes], KeySet]]:
    """The static keys of a fob, by its UID.

    Of a station with a key server they are those that a reference server in the same directory
    derives; of one with a vendor's library those of a lease that is handed back untouched.

    Raises:
        ConfigError: the configuration does not say which keys a fob would have.
    """
    if isinstance(loaded.config.source, ProviderSection):
        yield from _of_a_library(loaded, loaded.config.source)
        return
    if not isinstance(loaded.config.source, KlmsSection):
        keys = loaded.config.key_set()
        yield lambda uid: keys
        return
    path = loaded.directory / KLMS_CONFIG
    if not path.exists():
        raise ConfigError(
            "source.kind",
            "a simulated fob needs the keys that the key server derives, and there is no reference "
            f"server's {path} to derive them from; `kfasync klms init` makes both",
        )
    with open_kdf3(load(path)) as kdf3:
        yield kdf3.derive


def _of_a_library(
    loaded: LoadedConfig, source: ProviderSection
) -> Iterator[Callable[[bytes], KeySet]]:
    card, vault = loaded.config.card, HeapVault()
    host = ProviderHost.open(
        Path(source.library),
        source.sha256,
        msgspec.json.encode(source.config),
        deadline_s=source.deadline_s,
        seats=1,
        in_process=source.in_process,
        # Keys of a fob that is not there need no locked memory.
        lock_memory=False,
    )

    def keys_of(uid: bytes) -> KeySet:
        slip, unpacked = host.lease(card.unit(uid, CONTACTLESS_ATR), vault)
        host.abort(slip.lease_id, Touched.NONE)
        return unpacked.keys

    try:
        yield keys_of
    finally:
        host.close()
