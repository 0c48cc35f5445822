"""What the page's process is told at its start, through its standard input."""

import hashlib
import socket
import ssl
import sys

import msgspec

from kfasync.errors import ConfigError
from kfasync.station.advice import Language
from kfasync.station.config import LoadedConfig
from kfasync.station.setup import data_directory
from kfasync.station.web import WebSection

_BACKLOG = 64
# What a browser that has stopped reading may hold in the kernel; inherited by its connections.
_SEND_BUFFER = 32 * 1024


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page's process needs to know.

    Attributes:
        directory: the data directory, with the sockets in it.
        descriptor: the listening socket, which the process inherits.
        hosts: what ``Host`` may say.
        token_sha256: of the token, in hex; "" where none is asked for.
        lead_pin: the slow hash of the line lead's PIN; "" where nobody has one.
    """

    directory: str
    descriptor: int
    station: str
    language: Language
    hosts: tuple[str, ...]
    certificate: str = ""
    key: str = ""
    token_sha256: str = ""
    lead_pin: str = ""

    @property
    def scheme(self) -> str:
        """``https`` with a certificate."""
        return "https" if self.certificate else "http"

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"{self.scheme}://{self.hosts[0]}/"


def listen(section: WebSection) -> socket.socket:
    """A socket that is bound and listening, so that a page that begins anew has the same port.

    Raises:
        ConfigError: the address is in use, or not this machine's.
    """
    address = section.address
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # With the protocol named: asyncio turns Nagle's algorithm off for those only.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        listener.bind((str(address), section.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            "web.port",
            f"the page cannot listen on {section.host} port {section.port} ({error.strerror}); "
            "choose another with web.host and web.port",
        ) from error
    return listener


def settings_of(
    loaded: LoadedConfig, section: WebSection, language: Language, listener: socket.socket
) -> Settings:
    """What the process is told.

    Raises:
        ConfigError: certificate and key cannot be used.
    """
    port = listener.getsockname()[1]
    address = section.address
    names = [f"[{address}]" if address.version == 6 else str(address), *section.names]
    if address.is_loopback:
        names.append("localhost")
    certificate = key = ""
    if section.certificate is not None and section.key is not None:
        certificate, key = (
            str(loaded.resolve(section.certificate)),
            str(loaded.resolve(section.key)),
        )
        _try(certificate, key)
    token = section.token
    return Settings(
        directory=str(data_directory(loaded)),
        descriptor=listener.fileno(),
        station=loaded.config.station.id,
        language=language,
        hosts=tuple(dict.fromkeys(_with_port(name.lower(), port) for name in names)),
        certificate=certificate,
        key=key,
        token_sha256="" if token is None else hashlib.sha256(token.expose()).hexdigest(),
        lead_pin=section.lead_pin or "",
    )


def _with_port(name: str, port: int) -> str:
    """As a browser says it, which leaves out the port that is everybody's."""
    return name if port in (80, 443) else f"{name}:{port}"


def _try(certificate: str, key: str) -> None:
    """Here and not in the other process, whose trouble would be seen by nobody at the start."""
    try:
        # An empty passphrase: without one it would be asked for at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigError(
            "web.certificate",
            f"web.certificate {certificate} and web.key {key} cannot be used: {reason}",
        ) from error
