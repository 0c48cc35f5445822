"""The static keys of the fobs that are made for a configuration: a simulated one has to fit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kfasync.errors import ConfigError
from kfasync.klms.config import load
from kfasync.klms.depot import open_kdf3
from kfasync.model import KeySet
from kfasync.station.config import KlmsSection, LoadedConfig

KLMS_CONFIG = "klms.toml"


@contextmanager
def sample_keys(loaded: LoadedConfig) -> Iterator[Callable[[bytes], KeySet]]:
    """The static keys of a fob, by its UID.

    Of a station with a key server they are those that a reference server in the same directory
    derives.

    Raises:
        ConfigError: the configuration does not say which keys a fob would have.
    """
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
