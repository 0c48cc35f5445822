"""The server's side of TLS: version 1.3, a client certificate always, and refusals that say why."""

import logging
import ssl
from pathlib import Path
from typing import Any

import msgspec

from kfasync.errors import ConfigError

_log = logging.getLogger("kfasync.klms")


class TlsFiles(msgspec.Struct, frozen=True):
    """Where the server's certificate is, and what client certificates are checked against."""

    certificate: Path
    key: Path
    ca: Path
    crl: Path | None = None


class _TellingObject(ssl.SSLObject):
    """A handshake that fails sends its alert.

    asyncio drops the connection when ``do_handshake`` raises, with the alert still in the buffer
    (CPython issue 98078), and the client cannot say why it was refused. So the first failure asks
    for more data instead: what is in the buffer is sent then, and the next call raises.
    """

    outgoing: ssl.MemoryBIO | None = None

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            # Nothing to be sent: the alert is out, or the client did not speak TLS.
            if self.outgoing is None or not self.outgoing.pending:
                raise
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the alert first") from error


class _TellingContext(ssl.SSLContext):
    """Makes connections that know their own buffer."""

    sslobject_class = _TellingObject

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        if isinstance(made, _TellingObject):
            made.outgoing = outgoing
        return made


class TlsContexts:
    """The context of each new connection, read again when one of its files has changed.

    So a certificate is renewed, and a station revoked, without a restart. Files that cannot be
    used are logged, and the ones before stay in use.

    Attributes:
        context: what the server listens with.

    Raises:
        ConfigError: a file is missing, not what it should be, or the key is of another certificate.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamp = _stamp(files)
        self._current = self.context = make_context(files)
        self.context.sni_callback = self._renew

    def _renew(self, connection: Any, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called for every ClientHello, also for one that names no server."""
        stamp = _stamp(self._files)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._current = make_context(self._files)
                _log.info("the certificates have changed and were read again")
            except ConfigError as error:
                _log.warning("the certificates have changed and cannot be used: %s", error)
        connection.context = self._current


def make_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.3 to clients with a certificate of that CA.

    Raises:
        ConfigError: a file is missing, not what it should be, or the key is of another certificate.
    """
    # Not ssl.create_default_context: that honours SSLKEYLOGFILE and writes session secrets.
    context = _TellingContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    # A session that is resumed shows no certificate: it would outlive its revocation.
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    for name in ("certificate", "key", "ca", "crl"):
        path: Path | None = getattr(files, name)
        try:
            if path is not None:
                path.open("rb").close()
        except OSError as error:
            raise ConfigError(
                f"server.{name}",
                f"{path}: cannot be read ({error.strerror}); server.{name} names it",
            ) from error
    try:
        # A key with a password would be asked for on the terminal.
        context.load_cert_chain(files.certificate, files.key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(
                "server.key", f"{files.key}: not the key of the certificate {files.certificate}"
            ) from None
        raise ConfigError(
            "server.certificate",
            f"{files.certificate} and {files.key}: not a certificate and its key in PEM",
        ) from None
    for name, path in (("ca", files.ca), ("crl", files.crl)):
        try:
            if path is not None:
                context.load_verify_locations(path)
        except ssl.SSLError:
            what = "certificate" if name == "ca" else "revocation list"
            raise ConfigError(f"server.{name}", f"{path}: not a {what} in PEM") from None
    if files.crl is not None:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def _stamp(files: TlsFiles) -> tuple[tuple[int, int] | None, ...]:
    """Changes when one of the files does."""
    found: list[tuple[int, int] | None] = []
    for path in (files.certificate, files.key, files.ca, files.crl):
        try:
            status = path.stat() if path is not None else None
        except OSError:
            status = None
        found.append((status.st_mtime_ns, status.st_ino) if status is not None else None)
    return tuple(found)
