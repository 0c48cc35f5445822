"""One container, the content of one fob, read strictly; and the CA files every fob shares.

    <FESN>-<SPID>/FESN.txt            8 ASCII letters and digits
                  irk_keyfob.key      base64 of the 16 bytes of the BLE IRK
                  keyfob_private.der  PKCS#8 of a P-256 key (RFC 5208, RFC 5915)
                  keyfob_public.der   device certificate (RFC 5280), CN = FESN
    <certificates>/ica_cert.der, cms_root_cert.der

A container holds these four files and nothing else but hidden names (a leading dot). No
message repeats what a file holds.

Who issued the device certificate is not checked: the CA files are content for the fob, and
need not form a chain with it. Nor is a validity period: a fob outlives many a certificate,
and the station's clock may be wrong. :class:`Container` shows it to whom it concerns.
"""

import datetime
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from kfasync.contracts.crypto import Vault
from kfasync.errors import ContainerError
from kfasync.model import Content
from kfasync.secret import Secret

ICA, CMS_ROOT = "ica_cert.der", "cms_root_cert.der"
_FESN, _IRK = "FESN.txt", "irk_keyfob.key"
_PRIVATE_KEY, _DEVICE_CERTIFICATE = "keyfob_private.der", "keyfob_public.der"

_NAME = re.compile(r"([0-9A-Za-z]{8})-([0-9A-Fa-f]{40})")

# Many times what any of these files has; what is larger was put there by mistake.
_MAX_SIZE = 64 * 1024
_MAX_SECRET_SIZE = 4 * 1024  # as much as a vault gives in one piece
_IRK_SIZE = 16  # Bluetooth Core Specification 5.4, vol 3, part H, 2.4.2.1

# What cryptography raises for a file that is no X.509 certificate, early or late: names, key
# and extensions are parsed only when they are asked for.
_CERTIFICATE_ERRORS = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class StaticCertificates(msgspec.Struct, frozen=True):
    """The two CA certificates that every fob gets, as DER."""

    ica: bytes
    cms_root: bytes


class Container(msgspec.Struct, frozen=True):
    """What one container holds; the validity period is the device certificate's.

    ``point`` is the public point of the scalar, 04 || X || Y.
    """

    content: Content
    scalar: Secret
    irk: Secret
    point: bytes
    device_certificate: bytes
    not_valid_before: datetime.datetime
    not_valid_after: datetime.datetime


def read_certificates(directory: Path) -> StaticCertificates:
    """Read the two CA certificates, each as :func:`read_ca_certificate` does."""
    return StaticCertificates(
        ica=read_ca_certificate(directory / ICA), cms_root=read_ca_certificate(directory / CMS_ROOT)
    )


def read_ca_certificate(path: Path) -> bytes:
    """Read one CA certificate, as DER.

    What it is called is the OEM's affair. It must be one that can sign others (RFC 5280,
    4.2.1.9: basicConstraints with cA, or version 1), so that a device certificate which was
    copied to the wrong place is found.

    Raises:
        ContainerError: it is missing, or is not such a certificate.
    """
    encoded, certificate = _certificate(path)
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        ca = constraints.value.ca
    except x509.ExtensionNotFound:
        ca = certificate.version is x509.Version.v1
    except _CERTIFICATE_ERRORS as error:
        raise _not_a_certificate(path) from error
    if not ca:
        raise ContainerError(path, "not the certificate of a CA; put the CA's there")
    return encoded


def read_container(path: Path, vault: Vault) -> Container:
    """Read one container; its secrets go into the vault and nowhere else.

    Raises:
        ContainerError: something in it is not as the format says.
    """
    content = parse_name(path)
    _require_exact_files(path)
    if _read(path / _FESN) != content.fesn.encode("ascii"):
        raise ContainerError(
            path / _FESN,
            "not the FESN of the directory's name in 8 bytes without a line break; "
            "correct whichever of the two is wrong",
        )
    encoded, certificate = _certificate(path / _DEVICE_CERTIFICATE)
    try:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        public_key = certificate.public_key()
    except _CERTIFICATE_ERRORS as error:
        raise _not_a_certificate(path / _DEVICE_CERTIFICATE) from error
    if [name.value for name in names] != [content.fesn]:
        raise ContainerError(
            path / _DEVICE_CERTIFICATE,
            "the one CN of its subject is not the FESN; put this fob's certificate there",
        )
    scalar, point = _scalar(path / _PRIVATE_KEY, public_key, vault)
    try:
        irk = _irk(path / _IRK, vault)
    except BaseException:
        scalar.wipe()
        raise
    return Container(
        content=content,
        scalar=scalar,
        point=point,
        irk=irk,
        device_certificate=encoded,
        not_valid_before=certificate.not_valid_before_utc,
        not_valid_after=certificate.not_valid_after_utc,
    )


def parse_name(path: Path) -> Content:
    """FESN and SPID, of which a container's name is made; looks at nothing on the disk.

    Raises:
        ContainerError: it is not the name of a container.
    """
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise ContainerError(
            path,
            "its name is not <FESN>-<SPID>: 8 letters and digits, a hyphen, 40 hex digits; "
            "rename it, or move it away if it is no container",
        )
    return Content(fesn=match[1], spid=match[2])


def list_names(directory: Path) -> list[Content]:
    """What the containers of a directory are called, sorted; none is opened.

    Raises:
        ContainerError: it cannot be read, or something in it is not called as a container is.
    """
    contents: list[Content] = []
    for name in _visible(directory):
        match = _NAME.fullmatch(name)
        # Of many thousand names, no more than the wrong one becomes a path.
        contents.append(Content(match[1], match[2]) if match else parse_name(directory / name))
    return contents


def list_visible(directory: Path) -> list[Path]:
    """Everything in a directory that is not hidden, sorted by name."""
    return [directory / name for name in _visible(directory)]


def _visible(directory: Path) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise ContainerError(
            directory, f"not a directory that can be read ({error.strerror}); check the path"
        ) from error


def _require_exact_files(path: Path) -> None:
    try:
        _status(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    expected = {_FESN, _IRK, _PRIVATE_KEY, _DEVICE_CERTIFICATE}
    names = {entry.name for entry in list_visible(path)}
    for name in sorted(expected - names):
        raise ContainerError(path / name, "missing; put it there")
    for name in sorted(names - expected):
        raise ContainerError(
            path / name, "not a file of a container; remove it, or hide it with a leading dot"
        )


def _certificate(path: Path) -> tuple[bytes, x509.Certificate]:
    encoded = _read(path)
    try:
        return encoded, x509.load_der_x509_certificate(encoded)
    except _CERTIFICATE_ERRORS as error:
        raise _not_a_certificate(path) from error


def _not_a_certificate(path: Path) -> ContainerError:
    return ContainerError(
        path, "not one X.509 certificate in DER and nothing after it; convert PEM to DER"
    )


def _irk(path: Path, vault: Vault) -> Secret:
    text = _read_secret(path, vault)
    try:
        irk = vault.base64(text)
    except ValueError as error:
        raise _not_an_irk(path) from error
    finally:
        text.wipe()
    if len(irk) != _IRK_SIZE:
        irk.wipe()
        raise _not_an_irk(path)
    return irk


def _not_an_irk(path: Path) -> ContainerError:
    return ContainerError(
        path, "not 16 bytes in base64: 24 characters and no line break; write it so"
    )


def _scalar(
    path: Path, public_key: CertificatePublicKeyTypes, vault: Vault
) -> tuple[Secret, bytes]:
    """The private scalar, if it is the other half of the public key, big-endian; and its point."""
    pkcs8 = _read_secret(path, vault)
    try:
        scalar, point = vault.scalar(pkcs8)
    except ValueError as error:
        raise ContainerError(path, str(error)) from error
    finally:
        pkcs8.wipe()
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or point != public_key.public_bytes(
        Encoding.X962, PublicFormat.UncompressedPoint
    ):
        scalar.wipe()
        raise ContainerError(
            path, "not the key of the device certificate beside it; put this fob's key there"
        )
    return scalar, point


def stamp(path: Path) -> str:
    """Another text when a file of the container has been replaced or written to since."""
    try:
        found = [(file.name, file.stat()) for file in sorted(path.iterdir())]
    except OSError as error:
        return str(error.errno)
    return " ".join(f"{name}:{status.st_size}:{status.st_mtime_ns}" for name, status in found)


def _read(path: Path) -> bytes:
    """The whole of a file that holds no secret."""
    with _opened(path, _MAX_SIZE) as (file, _):
        return file.read(_MAX_SIZE)


def _read_secret(path: Path, vault: Vault) -> Secret:
    """The whole of a file that does, without a copy outside of the vault."""
    with _opened(path, _MAX_SECRET_SIZE) as (file, size):
        secret = vault.secret(size)
        file.readinto(secret.writable())
        return secret


@contextmanager
def _opened(path: Path, limit: int) -> Iterator[tuple[io.FileIO, int]]:
    """An unbuffered file and its size."""
    try:
        status = _status(path)
        # Asked before it is opened: opening a FIFO waits until somebody writes into it.
        if not stat.S_ISREG(status.st_mode):
            raise ContainerError(path, "not a regular file; put the file itself there")
        if status.st_size > limit:
            raise ContainerError(path, f"larger than {limit // 1024} KiB; put the right file there")
        with path.open("rb", buffering=0) as file:
            yield file, status.st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _status(path: Path) -> os.stat_result:
    """Of what stands there; a symbolic link that leads out of its directory is refused."""
    status = path.lstat()
    if not stat.S_ISLNK(status.st_mode):
        return status
    real, parent = (os.path.realpath(one, strict=True) for one in (path, path.parent))
    if not Path(real).is_relative_to(parent):
        raise ContainerError(path, "a symbolic link out of its directory; put a copy there")
    return path.stat()


def _unreadable(path: Path, error: OSError) -> ContainerError:
    return ContainerError(path, f"cannot be read ({error.strerror}); check that it is there")
