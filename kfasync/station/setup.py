"""Which source a configuration asks for."""

from pathlib import Path

from kfasync.contracts.crypto import CryptoPath
from kfasync.contracts.sources import Source
from kfasync.errors import ConfigError, KeyCheckError
from kfasync.ledger.ledger import Ledger
from kfasync.sources.containers import ContainerSource
from kfasync.sources.provider.source import ProviderSource
from kfasync.station.config import ContainersSection, LoadedConfig, ProviderSection


def data_directory(loaded: LoadedConfig) -> Path:
    """Where ledger and audit log are."""
    return loaded.resolve(loaded.config.station.data_dir)


def pool_directory(loaded: LoadedConfig) -> Path | None:
    """Where the containers are; None when somebody else keeps the pool."""
    match loaded.config.source:
        case ContainersSection() as section:
            return loaded.resolve(section.path)
        case _:
            return None


def make_source(loaded: LoadedConfig, path: CryptoPath, ledger: Ledger) -> Source:
    """The configured source, which is not open yet.

    Raises:
        ConfigError: a static key of the configuration has another check value than it says.
    """
    match loaded.config.source:
        case ContainersSection() as section:
            keys = loaded.config.key_set()
            try:
                path.load(keys).wipe()
            except KeyCheckError as error:
                # Of keys in the configuration this can be said before any fob is placed.
                raise ConfigError("source.keys", str(error)) from error
            return ContainerSource(
                loaded.resolve(section.path),
                loaded.resolve(section.certificates),
                keys,
                ledger,
                path.vault,
            )
        case ProviderSection() as section:
            return ProviderSource(
                Path(section.library),
                section.sha256,
                section.config,
                ledger,
                path.vault,
                deadline_s=section.deadline_s,
                in_process=section.in_process,
                lock_memory=loaded.config.crypto.locked_memory == "required",
            )
