"""``[web]`` of the configuration: where the operator's page is served, and to whom."""

import ipaddress
import re

import msgspec

from kfasync.secret import Secret
from kfasync.station.pin import require_pin_hash

_TOKEN_MIN = 16  # bytes: nobody guesses that many
_NAME = re.compile(r"[0-9A-Za-z]([0-9A-Za-z.-]{0,251}[0-9A-Za-z])?")


class WebSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[web]``; on an address that others can reach only with TLS and a token.

    Attributes:
        host: an address of this machine, or ``localhost``.
        port: 0 takes any that is free.
        names: host names by which browsers call it, besides its address.
        certificate, key: PEM files.
        token: what a browser has to know, in hex.
        lead_pin: the slow hash of the line lead's PIN; None lets nobody resume or resolve there.
    """

    host: str = "127.0.0.1"
    port: int = 8857
    names: tuple[str, ...] = ()
    certificate: str | None = None
    key: str | None = None
    token: Secret | None = None
    lead_pin: str | None = None

    def __post_init__(self) -> None:
        address = self.address
        if self.lead_pin is not None:
            require_pin_hash(self.lead_pin)
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not from 0 to 65535")
        for name in self.names:
            if not _NAME.fullmatch(name):
                raise ValueError(f"names has {name!r}, which is no host name")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if self.token is not None and len(self.token) < _TOKEN_MIN:
            raise ValueError(
                f"token has less than {2 * _TOKEN_MIN} hex digits; `openssl rand -hex 32` makes one"
            )
        if address.is_unspecified and not self.names:
            raise ValueError(
                f"host {self.host!r} is every address of this machine; names has to say how "
                "browsers call it"
            )
        if not address.is_loopback and (self.certificate is None or self.token is None):
            raise ValueError(
                f"host {self.host!r} can be reached by others, which takes certificate, key and "
                "token; 127.0.0.1 does not"
            )

    @property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """The address; ValueError when it is none."""
        if self.host == "localhost":
            return ipaddress.IPv4Address("127.0.0.1")
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            raise ValueError(f"host {self.host!r} is neither an address nor localhost") from None
