"""What this station shows a key server and what it accepts there: CA, certificate and key."""

import datetime
import ssl
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from kfasync.contracts.klms import STATION_URI
from kfasync.errors import TrustError

_DAY_S = 86_400
WARN_DAYS = (1, 7, 30)


class Files(msgspec.Struct, frozen=True):
    """Where they are, in PEM. ``ca`` is what the server's certificate is checked against."""

    ca: Path
    certificate: Path
    key: Path

    def stamp(self) -> tuple[tuple[int, int] | None, ...]:
        """Changes when one of the files does."""
        return tuple(_stamp(path) for path in (self.ca, self.certificate, self.key))


class Credentials(msgspec.Struct, frozen=True):
    """The files, read: a context for TLS, and until when it is good.

    ``stations`` are the names in the station's certificate.
    """

    context: ssl.SSLContext
    stations: tuple[str, ...]
    certificate_ends: datetime.datetime
    ca_ends: datetime.datetime


def read_credentials(files: Files) -> Credentials:
    """Read the files: TLS 1.3 to servers of that CA, with that certificate.

    Raises:
        TrustError: a file is missing, not what it should be, or the key is another one's.
    """
    certificate = _certificate(files.certificate, "certificate of this station")
    ca = _certificate(files.ca, "CA certificate")
    _require_readable(files.key, "key of this station")
    # Not ssl.create_default_context: that honours SSLKEYLOGFILE and writes session secrets.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(files.ca)
    try:
        # A key with a password would be asked for on the terminal.
        context.load_cert_chain(files.certificate, files.key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TrustError(
                f"{files.key} is not the key of this station's certificate {files.certificate}; "
                "source.key and source.certificate name a pair"
            ) from None
        raise TrustError(
            f"the key of this station {files.key} is not a key in PEM without a password; "
            "source.key names it"
        ) from None
    return Credentials(
        context=context,
        stations=_stations(certificate),
        certificate_ends=certificate.not_valid_after_utc,
        ca_ends=ca.not_valid_after_utc,
    )


def certificate_end(files: Files) -> datetime.datetime:
    """When the station's certificate runs out; TrustError when it cannot be read."""
    return _certificate(files.certificate, "certificate of this station").not_valid_after_utc


def require_station(credentials: Credentials, station: str, path: Path) -> None:
    """The certificate has to name this station, for that is what the server goes by.

    Raises:
        TrustError: it names another one, or none.
    """
    if credentials.stations != (station,):
        named = " and ".join(credentials.stations) or "no station"
        raise TrustError(
            f"this station's certificate {path} is for {named}, and station.id is {station}; have "
            f"one issued with {STATION_URI}{station} as URI in its subjectAltName"
        )


def days_left(ends: datetime.datetime, now: datetime.datetime) -> int | None:
    """Of 30, 7 and 1 the smallest number of days that is still left at most; None for more.

    0 when it has expired.
    """
    left_s = (ends - now).total_seconds()
    if left_s <= 0:
        return 0
    return next((days for days in WARN_DAYS if left_s <= days * _DAY_S), None)


def _certificate(path: Path, what: str) -> x509.Certificate:
    _require_readable(path, what)
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TrustError(f"the {what} {path} is not a certificate in PEM") from error


def _require_readable(path: Path, what: str) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise TrustError(
            f"the {what} {path} cannot be read ({error.strerror}); [source] names it"
        ) from error


def _stations(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return ()
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return tuple(u.removeprefix(STATION_URI) for u in uris if u.startswith(STATION_URI))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
