"""What a key server says of itself, before the first fob: nothing is changed there."""

import datetime
import time
from collections.abc import Callable

import msgspec

from kfasync.contracts.klms import PoolAnswer
from kfasync.errors import ConfigError
from kfasync.sources.klms.breaker import Breaker
from kfasync.sources.klms.client import Client
from kfasync.sources.klms.link import Link
from kfasync.sources.klms.warnings import CERTIFICATES, Warnings
from kfasync.station.config import KlmsSection, LoadedConfig
from kfasync.station.setup import files_of


class Findings(msgspec.Struct, frozen=True):
    """What it says; ``warnings`` are of certificates and clocks.

    ``clock_off_s`` is how far its clock is ahead of this machine's; None when it cannot be read.
    """

    took_ms: float
    clock_off_s: float | None
    ttl_s: int
    ttl_max_s: int
    key_store: str
    pool: PoolAnswer
    warnings: tuple[str, ...]


async def inquire(loaded: LoadedConfig) -> Findings:
    """Ask the configured key server.

    Raises:
        ConfigError: there is none in this configuration.
        TrustError: one side does not accept the other.
        SourceUnavailableError: it does not answer.
        KlmsError: it refuses, or has no such pool.
    """
    section = loaded.config.source
    if not isinstance(section, KlmsSection):
        raise ConfigError("source.kind", 'only kind = "klms" has a server')
    told: dict[str, str] = {}
    warnings = Warnings(told.__setitem__)
    url, files = section.url.rstrip("/"), files_of(section, loaded)
    link = Link(url, loaded.config.station.id, files, _setter(warnings, CERTIFICATES))
    try:
        until_s = time.monotonic() + section.deadline_s
        client = Client(url, link, Breaker(lambda reason: None))
        capabilities = await client.capabilities(until_s)
        began_s = time.monotonic()
        answer = await client.time(until_s)
        took_s = time.monotonic() - began_s
        here = datetime.datetime.now(datetime.UTC)
        warnings.compare_clocks(answer.server_time, here)
        pool = await client.pool(loaded.config.card.name, until_s)
    finally:
        link.close()
    return Findings(
        took_ms=1000 * took_s,
        clock_off_s=_ahead(answer.server_time, here),
        ttl_s=capabilities.ttl_s,
        ttl_max_s=capabilities.ttl_max_s,
        key_store=capabilities.key_store,
        pool=pool,
        warnings=tuple(sentence for sentence in told.values() if sentence),
    )


def _ahead(server_time: str, here: datetime.datetime) -> float | None:
    try:
        return (datetime.datetime.fromisoformat(server_time) - here).total_seconds()
    except (ValueError, TypeError):
        return None


def _setter(warnings: Warnings, topic: str) -> Callable[[str], None]:
    return lambda sentence: warnings.set(topic, sentence)
