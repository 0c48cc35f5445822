"""Pool and master key of one KLMS, opened together: for the server, and for a person beside it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from kfasync.errors import ConfigError
from kfasync.klms.config import LoadedKlms
from kfasync.klms.kdf3 import Kdf3, MasterKey, MemoryKey
from kfasync.klms.standing import Standing
from kfasync.klms.stock import Stock
from kfasync.klms.store import Store
from kfasync.secret import Secret


class Depot(msgspec.Struct, frozen=True):
    """Pool and master key, opened together."""

    store: Store
    stock: Stock
    standing: Standing
    master: MasterKey


@contextlib.contextmanager
def open_depot(loaded: LoadedKlms) -> Iterator[Depot]:
    """Open the pool under the master key.

    Raises:
        ConfigError: one of them cannot be used, or they do not belong together.
    """
    with contextlib.ExitStack() as stack:
        master = _master(loaded, stack)
        store = Store(loaded.pool)
        stack.callback(store.close)
        yield Depot(store, Stock(store, master), Standing(store), master)


@contextlib.contextmanager
def open_kdf3(loaded: LoadedKlms) -> Iterator[Kdf3]:
    """The derivation alone, as the server does it: for fobs that are made to fit.

    Raises:
        ConfigError: the master key cannot be used.
    """
    with contextlib.ExitStack() as stack:
        yield make_kdf3(_master(loaded, stack), loaded)


def make_kdf3(master: MasterKey, loaded: LoadedKlms) -> Kdf3:
    """The derivation with the switches of ``[keys]``."""
    keys = loaded.config.keys
    return Kdf3(master, kvn=keys.kvn, padding=keys.uid_padding, length_field=keys.length_field)


def _master(loaded: LoadedKlms, stack: contextlib.ExitStack) -> MasterKey:
    hsm = loaded.config.hsm
    if hsm is None:
        return _memory_key(loaded.directory / (loaded.config.keys.master or ""))
    try:
        from kfasync.klms.hsm import TokenKey
    except ImportError as error:
        raise ConfigError(
            "hsm", "[hsm] needs python-pkcs11; install it with `pip install 'kfasync[hsm]'`"
        ) from error
    return stack.enter_context(
        TokenKey(
            loaded.directory / hsm.module,
            hsm.token,
            hsm.label,
            _text(loaded.directory / hsm.pin_file, "hsm.pin_file"),
            None if hsm.softhsm_conf is None else loaded.directory / hsm.softhsm_conf,
        )
    )


def _memory_key(path: Path) -> MemoryKey:
    try:
        return MemoryKey(Secret.from_hex(_text(path, "keys.master")))
    except ValueError:
        raise ConfigError(
            "keys.master", f"{path}: not a master key of 32, 48 or 64 hex digits"
        ) from None


def _text(path: Path, key: str) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(
            key, f"{path}: cannot be read ({error.strerror}); {key} names it"
        ) from error
    except UnicodeDecodeError:
        raise ConfigError(key, f"{path}: not UTF-8 text") from None
