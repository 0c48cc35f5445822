"""The reference KLMS as a server: uvicorn over mutual TLS, in a process of its own."""

import contextlib
import signal
import socket
from collections.abc import Callable
from typing import NoReturn

import uvicorn

from kfasync.errors import ConfigError
from kfasync.klms.answer import Answers
from kfasync.klms.app import KlmsApp
from kfasync.klms.config import LoadedKlms
from kfasync.klms.depot import Depot, make_kdf3, open_depot
from kfasync.klms.faults import Faults
from kfasync.klms.leases import Leases
from kfasync.klms.peer import PeerProtocol
from kfasync.klms.tls import TlsContexts

_GRACE_S = 2  # for the answers that are on their way when the server stops
_KEEP_ALIVE_S = 300  # a lane may wait for its operator; a new handshake costs more than a socket
_BACKLOG = 1024


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
    limits = loaded.config.lease
    leases = Leases(depot.store)
    kdf3 = make_kdf3(depot.master, loaded)
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
