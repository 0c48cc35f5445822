"""A development PKI, so that mutual TLS is never switched off to try something.

One authority signs the server and every station, and keeps the list of what it has revoked. A
station is known by the URI ``urn:kfasync:station:<id>`` in its certificate (RFC 5280, 4.2.1.6).
"""

import datetime
import enum
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kfasync.contracts.klms import STATION_URI

_CA_LIFE = datetime.timedelta(days=3650)
_LIFE = datetime.timedelta(days=365)
# The clock of a line's machine may be behind that of the machine the certificate was made on.
_BACKDATED = datetime.timedelta(hours=1)


class Purpose(enum.Enum):
    """What a certificate is good for (RFC 5280, 4.2.1.12)."""

    SERVER = ExtendedKeyUsageOID.SERVER_AUTH
    CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True)
class Credential:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def certificate_pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self) -> bytes:
        """The private key, as PKCS#8 and not encrypted."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Authority:
    """Signs certificates, and the list of those that it takes back."""

    def __init__(self, credential: Credential, revoked: Sequence[int] = ()) -> None:
        self._credential = credential
        self._revoked = list(revoked)

    @classmethod
    def make(
        cls,
        name: str = "kfasync development CA",
        *,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
    ) -> "Authority":
        """A new one, with a key of its own, that has revoked nothing."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _common_name(name)
        builder = (
            _builder(subject, subject, key, key, (not_before, not_after), _CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs=True), critical=True)
        )
        return cls(Credential(builder.sign(key, hashes.SHA256()), key))

    @property
    def credential(self) -> Credential:
        """Its own certificate, signed by itself, and key."""
        return self._credential

    def issue(
        self,
        name: str,
        purpose: Purpose = Purpose.CLIENT,
        *,
        names: Sequence[str] = (),
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
    ) -> Credential:
        """A new key and the certificate of it.

        Args:
            names: what goes into the subjectAltName: URIs, addresses and host names, told
                apart by their looks.
            not_before: an hour ago when not given.
            not_after: a year from now when not given.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(
                _common_name(name),
                self._credential.certificate.subject,
                key,
                self._credential.key,
                (not_before, not_after),
                _LIFE,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose.value]), critical=False)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_general_name(text) for text in names])
            builder = builder.add_extension(alternatives, critical=False)
        return Credential(builder.sign(self._credential.key, hashes.SHA256()), key)

    def station(self, station: str) -> Credential:
        """The certificate of a station."""
        return self.issue(station, names=[STATION_URI + station])

    def expired(self, station: str) -> Credential:
        """The same, from the year before last to last year."""
        now = _now()
        return self.issue(
            station,
            names=[STATION_URI + station],
            not_before=now - 3 * _LIFE,
            not_after=now - _LIFE,
        )

    def revoke(self, serial_number: int) -> None:
        """The certificate of that number stands in every list from now on."""
        self._revoked.append(serial_number)

    def crl(self) -> bytes:
        """The list of what is revoked, as PEM (RFC 5280, 5)."""
        now = _now()
        certificate = self._credential.certificate
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(certificate.subject)
            .last_update(now - _BACKDATED)
            # A list that runs out takes every station with it; nobody renews this one.
            .next_update(certificate.not_valid_after_utc)
            .add_extension(_authority_key(self._credential.key), critical=False)
            .add_extension(x509.CRLNumber(int(now.timestamp() * 1_000_000)), critical=False)
        )
        for serial_number in self._revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now).build())
        crl = builder.sign(self._credential.key, hashes.SHA256())
        return crl.public_bytes(Encoding.PEM)


def write_new(path: Path, content: bytes, *, secret: bool = False) -> None:
    """Write a file that is not there yet; one that holds a secret is for its owner only."""
    # The mode is given where the file is made: a moment later is a moment too late for a key.
    mode = 0o600 if secret else 0o644
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


def write_pair(directory: Path, name: str, credential: Credential) -> None:
    """``name.pem`` and ``name.key``."""
    write_new(directory / f"{name}.pem", credential.certificate_pem())
    write_new(directory / f"{name}.key", credential.key_pem(), secret=True)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    validity: tuple[datetime.datetime | None, datetime.datetime | None],
    life: datetime.timedelta,
) -> x509.CertificateBuilder:
    now = _now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0] or now - _BACKDATED)
        .not_valid_after(validity[1] or now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_authority_key(signer), critical=False)
    )


def _authority_key(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(text: str) -> x509.GeneralName:
    if ":" in text and not _is_address(text):
        return x509.UniformResourceIdentifier(text)
    return x509.IPAddress(ipaddress.ip_address(text)) if _is_address(text) else x509.DNSName(text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)
