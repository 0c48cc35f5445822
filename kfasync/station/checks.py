"""The checks of a station itself: what has to be right before the first fob, each in a sentence.

They change nothing but one line of the ledger, so that they may be made while lanes work.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from anyio import to_thread

from kfasync.audit.log import FILE_NAME as LOG_NAME
from kfasync.contracts.cards import Readers
from kfasync.contracts.crypto import CryptoPath
from kfasync.crypto.answers import check_path
from kfasync.errors import KfError, ReaderError
from kfasync.ledger.ledger import Ledger
from kfasync.model import ContentState
from kfasync.station.batch import Check, CheckState
from kfasync.station.config import (
    SIMULATED,
    ContainersSection,
    KlmsSection,
    LoadedConfig,
    ProviderSection,
)
from kfasync.station.setup import certificate_days, data_directory
from kfasync.station.slots import answers_to

DISK_MIN = 500 * 10**6  # bytes; a fob takes some 20 KB of ledger and log
CLOCK_MAX_S = 60.0  # docs/klms.md: nothing is decided by the wall clocks, but records carry them
_CHUNK = 1 << 20


async def look(
    loaded: LoadedConfig, readers: Readers, path: CryptoPath, ledger: Ledger
) -> tuple[Check, ...]:
    """All of them, in the order in which one would look.

    Args:
        path: the crypto path in use.
    """
    local = await to_thread.run_sync(_local, loaded, readers, path, ledger)
    return (*local, *await _source(loaded, ledger))


def _local(loaded: LoadedConfig, readers: Readers, path: CryptoPath, ledger: Ledger) -> list[Check]:
    directory = data_directory(loaded)
    return [
        _check("crypto", lambda: _crypto(path)),
        _check("readers", lambda: _readers(loaded, readers)),
        _check("disk", lambda: _disk(directory)),
        _check("ledger", lambda: _ledger(ledger)),
        _check("log", lambda: _log(directory / LOG_NAME)),
    ]


class _Red(Exception):  # noqa: N818  # it is a finding
    """What is wrong, in a sentence."""


def _check(name: str, work: Callable[[], str]) -> Check:
    try:
        return Check(name, CheckState.GOOD, work())
    except (KfError, _Red) as error:
        return Check(name, CheckState.RED, str(error))
    except OSError as error:
        return Check(name, CheckState.RED, error.strerror or type(error).__name__)


def _crypto(path: CryptoPath) -> str:
    check_path(path)
    return f"known answers on crypto path {path.name}"


def _readers(loaded: LoadedConfig, readers: Readers) -> str:
    there = readers.names()
    wanted = [*loaded.config.lanes, *loaded.config.scouts]
    missing = [
        name
        for name in wanted
        if name != SIMULATED and not any(answers_to(reader, name) for reader in there)
    ]
    if missing:
        raise _Red(f"reader {', '.join(missing)} is not there; plug it in")
    if not there:
        raise ReaderError("PC/SC sees no reader; plug one in")
    return f"{len(there)} there"


def _disk(directory: Path) -> str:
    free = shutil.disk_usage(directory).free
    if free < DISK_MIN:
        raise _Red(f"{free // 10**6} MB are free on the disk of {directory}; make room")
    return f"{free // 10**6} MB free"


def _ledger(ledger: Ledger) -> str:
    ledger.touch()
    return "can be written"


def _log(path: Path) -> str:
    with path.open("ab"):
        return "can be written"


async def _source(loaded: LoadedConfig, ledger: Ledger) -> list[Check]:
    match loaded.config.source:
        case KlmsSection():
            return await _key_server(loaded)
        case ProviderSection() as section:
            return [
                await to_thread.run_sync(
                    _check, "library", lambda: _library(Path(section.library), section.sha256)
                )
            ]
        case ContainersSection():
            return [await to_thread.run_sync(_check, "content", lambda: _content(ledger))]


async def _key_server(loaded: LoadedConfig) -> list[Check]:
    # Here, and not above: no other station has to wait for an HTTP client to be imported.
    from kfasync.station.inquiry import inquire

    certificate = await to_thread.run_sync(_check, "certificate", lambda: _certificate(loaded))
    try:
        found = await inquire(loaded)
    except KfError as error:
        return [Check("key server", CheckState.RED, str(error)), certificate]
    off_s = found.clock_off_s
    return [
        Check("key server", CheckState.GOOD, f"answers in {found.took_ms:.0f} ms"),
        _check("clock", lambda: _clock(off_s)),
        _check("content", lambda: _pool(found.pool.free)),
        certificate,
    ]


def _clock(off_s: float | None) -> str:
    if off_s is None:
        raise _Red("the key server's time cannot be read")
    if abs(off_s) > CLOCK_MAX_S:
        raise _Red(f"{abs(off_s):.0f} s from the key server's; set both by the same time server")
    return f"{abs(off_s):.1f} s from the key server's"


def _pool(free: int) -> str:
    if not free:
        raise _Red("the key server has no content left; have its pool filled")
    return f"{free} free at the key server"


def _certificate(loaded: LoadedConfig) -> str:
    days = certificate_days(loaded)
    if days is None:
        raise _Red("the station's certificate cannot be read; see source.certificate")
    if days < 0:
        raise _Red("the station's certificate has run out; have it renewed")
    return f"{days} days left"


def _library(path: Path, sha256: str) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != sha256.lower():
        raise _Red(
            f"{path} has SHA-256 {digest.hexdigest()}, which is not source.sha256; accept it "
            "there, or put the other file back"
        )
    return f"SHA-256 {sha256.lower()}"


def _content(ledger: Ledger) -> str:
    free = ledger.counts()[ContentState.FREE]
    if not free:
        raise _Red("no container is free; bring more of them")
    return f"{free} containers free"
