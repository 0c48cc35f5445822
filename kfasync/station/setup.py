"""Which source a configuration asks for."""

import datetime
from collections.abc import Callable
from pathlib import Path

from kfasync.contracts.crypto import CryptoPath
from kfasync.contracts.sources import Source
from kfasync.errors import ConfigError, KeyCheckError, TrustError
from kfasync.ledger.ledger import Ledger
from kfasync.sources.containers import ContainerSource
from kfasync.sources.klms.credentials import Files, certificate_end
from kfasync.sources.provider.source import ProviderSource
from kfasync.station.config import (
    ContainersSection,
    KlmsSection,
    LoadedConfig,
    ProviderSection,
)
from kfasync.station.writetime import ASSUMED_S


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


def make_source(
    loaded: LoadedConfig,
    path: CryptoPath,
    ledger: Ledger,
    warn: Callable[[str, str], None] = lambda topic, sentence: None,
    *,
    write_s: Callable[[], float] = lambda: ASSUMED_S,
) -> Source:
    """The configured source, which is not open yet.

    Args:
        warn: told what an operator should know of it: the topic, and a sentence or "".
        write_s: how long a lease has to be good for when it arrives, in seconds.

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
        case KlmsSection() as section:
            # Here, and not above: no other station has to wait for an HTTP client to be imported.
            from kfasync.sources.klms.source import KlmsSource

            return KlmsSource(
                section.url.rstrip("/"),
                files_of(section, loaded),
                loaded.config.station.id,
                data_directory(loaded),
                ledger,
                path,
                ttl_s=section.ttl_s,
                deadline_s=section.deadline_s,
                write_s=write_s,
                tell=warn,
            )


def files_of(section: KlmsSection, loaded: LoadedConfig) -> Files:
    """The files of TLS, relative to the configuration."""
    return Files(
        ca=loaded.resolve(section.ca),
        certificate=loaded.resolve(section.certificate),
        key=loaded.resolve(section.key),
    )


def certificate_days(loaded: LoadedConfig) -> int | None:
    """Whole days until the station's certificate for the key server runs out; reads the file.

    None without one, or when it cannot be read: what is wrong with it is the source's to say.
    """
    match loaded.config.source:
        case KlmsSection() as section:
            try:
                ends = certificate_end(files_of(section, loaded))
            except TrustError:
                return None
            return (ends - datetime.datetime.now(datetime.UTC)).days
        case _:
            return None
