"""The reference KLMS as a server: uvicorn over mutual TLS, in a process of its own."""

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import msgspec
import uvicorn

from kfasync.errors import ConfigError
from kfasync.klms.answer import Answers
from kfasync.klms.app import KlmsApp
from kfasync.klms.config import LoadedKlms
from kfasync.klms.faults import Faults
from kfasync.klms.kdf3 import Kdf3, MasterKey, MemoryKey
from kfasync.klms.leases import Leases
from kfasync.klms.peer import PeerProtocol
from kfasync.klms.standing import Standing
from kfasync.klms.stock import Stock
from kfasync.klms.store import Store
from kfasync.klms.tls import TlsContexts
from kfasync.secret import Secret

_GRACE_S = 2  # for the answers that are on their way when the server stops
_KEEP_ALIVE_S = 300  # a lane may wait for its operator; a new handshake costs more than a socket
_BACKLOG = 1024


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


def serve(loaded: LoadedKlms, faults: Faults, announce: Callable[[str, Depot], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        announce: called with the URL when it can be connected to.

    Raises:
        ConfigError: a file is missing or wrong, or the address is in use.
    """
    contexts = TlsContexts(loaded.tls)
    with open_depot(loaded) as depot:
        app = make_app(loaded, depot, faults)
        server = loaded.config.server
        with contextlib.closing(_listen(server.host, server.port)) as listener:
            config = uvicorn.Config(
                app,
                http=PeerProtocol,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ssl_context_factory=lambda _config, _default: contexts.context,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_GRACE_S,
            )
            host = f"[{server.host}]" if ":" in server.host else server.host
            # uvicorn raises the signal that stopped it once more when it is done.
            before = signal.signal(signal.SIGTERM, _leave)
            try:
                announce(f"https://{host}:{listener.getsockname()[1]}", depot)
                uvicorn.Server(config).run(sockets=[listener])
            finally:
                signal.signal(signal.SIGTERM, before)


def _leave(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def make_app(loaded: LoadedKlms, depot: Depot, faults: Faults) -> KlmsApp:
    """The application over an open pool."""
    keys, limits = loaded.config.keys, loaded.config.lease
    leases = Leases(depot.store)
    kdf3 = Kdf3(
        depot.master, kvn=keys.kvn, padding=keys.uid_padding, length_field=keys.length_field
    )
    answers = Answers(
        leases, depot.stock, kdf3, faults, ttl_s=limits.ttl_s, ttl_max_s=limits.ttl_max_s
    )
    return KlmsApp(answers, leases, depot.standing, depot.master, limits, faults)


def _listen(host: str, port: int) -> socket.socket:
    """Bound and listening, so that who is told the address can connect to it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named: asyncio turns Nagle's algorithm off for those only, and an answer in
    # two writes waits 40 ms for the client's acknowledgement otherwise.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            "server.port",
            f"cannot listen on {host} port {port} ({reason}); choose another with server.port",
        ) from error
    return listener
