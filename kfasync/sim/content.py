"""Made-up fob content in the format of the real thing: containers and the two CA files.

A container is a directory ``<FESN>-<SPID>`` with four files; the station reads it, the
simulated fob is written with it. The certificates have the field sizes of the real ones,
because sizes decide how many STORE DATA commands a fob takes. A certificate's layout fixes
its size but for the two INTEGERs of its ECDSA signature (RFC 3279, 2.2.3), each 32 or 33
bytes long by chance; an exact size is had by signing until they fit.

Nobody holds the issuers' keys: they are forgotten as soon as they have signed. As with the
real content, the two CA files do not form a chain with a device certificate.
"""

import base64
import datetime
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FIRST_FESN = "1KM00020"
DEVICE_CERTIFICATE_SIZES = range(422, 425)

_ICA_SIZE = 435
_CMS_ROOT_SIZE = 722
# A size that is asked for comes up in one of four tries, or of two: 200 misses in a row mean
# that the layout has another size, not bad luck.
_ATTEMPTS = 200

# Both within 1950 and 2049, so that both are UTCTime (RFC 5280, 4.1.2.5); a GeneralizedTime
# is two bytes longer, and no size would fit any more.
_NOT_BEFORE = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_NOT_AFTER = datetime.datetime(2046, 1, 1, tzinfo=datetime.UTC)

_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def make_container(directory: Path, fesn: str, spid: str, *, size: int | None = None) -> Path:
    """Make one container in ``directory`` and return its path.

    Args:
        directory: made when it is not there.
        fesn: 8 letters and digits.
        spid: 40 hex digits; kept as they are written.
        size: of the device certificate in bytes, or None for whatever comes.

    Raises:
        ValueError: a wrong FESN or SPID, or a size that the certificate cannot have.
        FileExistsError: there is a container of this FESN already.
    """
    if re.fullmatch(r"[0-9A-Za-z]{8}", fesn) is None:
        raise ValueError(f"FESN {fesn!r} is not 8 letters and digits")
    if re.fullmatch(r"[0-9A-Fa-f]{40}", spid) is None:
        raise ValueError(f"SPID {spid!r} is not 40 hex digits")
    if size is not None and size not in DEVICE_CERTIFICATE_SIZES:
        sizes = DEVICE_CERTIFICATE_SIZES
        raise ValueError(f"a device certificate has {sizes[0]} to {sizes[-1]} bytes, not {size}")
    directory.mkdir(parents=True, exist_ok=True)
    if fesn in _fesns(directory):
        raise FileExistsError(f"{directory} holds a container of FESN {fesn} already")
    return _write_container(directory, fesn, spid, ec.generate_private_key(ec.SECP256R1()), size)


def make_containers(directory: Path, count: int, *, first: str = FIRST_FESN) -> list[Path]:
    """Make ``count`` more containers, with random SPIDs and FESNs that count up from ``first``.

    A FESN that is there already is passed over, so that a second call makes as many again.

    Raises:
        ValueError: ``first`` is no FESN that ends in a hex digit, or the FESNs run out.
    """
    directory.mkdir(parents=True, exist_ok=True)
    taken = _fesns(directory)
    issuer = ec.generate_private_key(ec.SECP256R1())
    made: list[Path] = []
    fesns = _running(first)
    while len(made) < count:
        fesn = next(fesns)
        if fesn not in taken:
            spid = secrets.token_hex(20).upper()
            made.append(_write_container(directory, fesn, spid, issuer, None))
    return made


def make_certificates(directory: Path) -> None:
    """Make ``ica_cert.der`` and ``cms_root_cert.der``, at the sizes of the real ones.

    Raises:
        FileExistsError: one of them is there already.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name, layout, size in (
        ("ica_cert.der", _ica_layout(), _ICA_SIZE),
        ("cms_root_cert.der", _cms_root_layout(), _CMS_ROOT_SIZE),
    ):
        issuer = ec.generate_private_key(ec.SECP256R1())
        subject = ec.generate_private_key(ec.SECP256R1()).public_key()
        certificate = _sign(layout, subject, issuer, size)
        with (directory / name).open("xb") as file:
            file.write(certificate)


def _fesns(directory: Path) -> set[str]:
    """FESNs of the containers that are there."""
    return {path.name.partition("-")[0] for path in directory.iterdir()}


def _running(first: str) -> Iterator[str]:
    """FESNs from ``first`` on; its hex digits at the end count up, what is before them stays."""
    match = re.fullmatch(r"(?P<prefix>[0-9A-Z]*?)(?P<digits>[0-9A-F]+)", first)
    if match is None or len(first) != 8:
        raise ValueError(f"FESN {first!r} is not 8 capitals and digits that end in a hex digit")
    prefix, digits = match["prefix"], match["digits"]
    for number in range(int(digits, 16), 16 ** len(digits)):
        yield f"{prefix}{number:0{len(digits)}X}"
    raise ValueError(f"no FESN is left between {first} and {prefix}{'F' * len(digits)}")


def _write_container(
    directory: Path, fesn: str, spid: str, issuer: ec.EllipticCurvePrivateKey, size: int | None
) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate = _sign(_device_layout(fesn), key.public_key(), issuer, size)
    # A station that scans meanwhile overlooks hidden names, and never sees half a container.
    hidden = directory / f".{fesn}-{spid}"
    hidden.mkdir()
    (hidden / "FESN.txt").write_bytes(fesn.encode("ascii"))
    (hidden / "irk_keyfob.key").write_bytes(base64.b64encode(secrets.token_bytes(16)))
    (hidden / "keyfob_private.der").write_bytes(private)
    (hidden / "keyfob_public.der").write_bytes(certificate)
    return hidden.rename(directory / hidden.name.removeprefix("."))


def _sign(
    layout: x509.CertificateBuilder,
    subject: ec.EllipticCurvePublicKey,
    issuer: ec.EllipticCurvePrivateKey,
    size: int | None,
) -> bytes:
    """Complete a layout and sign it, again and again until it has ``size`` bytes."""
    builder = (
        layout.public_key(subject)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),
            critical=False,
        )
    )
    for _ in range(_ATTEMPTS):
        certificate = builder.serial_number(_serial_number()).sign(issuer, hashes.SHA256())
        encoded = certificate.public_bytes(serialization.Encoding.DER)
        if size in (None, len(encoded)):
            return encoded
    raise ValueError(f"this layout gives no certificate of {size} bytes")


def _serial_number() -> int:
    """A random serial number whose encoding is always 16 bytes (RFC 5280, 4.1.2.2)."""
    return secrets.randbits(126) | 1 << 126


def _device_layout(fesn: str) -> x509.CertificateBuilder:
    """352 bytes and a signature."""
    return (
        _dated()
        .subject_name(_name((NameOID.COMMON_NAME, fesn)))
        .issuer_name(_name((NameOID.COMMON_NAME, "FMC-NFC-DEVICE-ICA")))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage("digital_signature", "key_agreement"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )


def _ica_layout() -> x509.CertificateBuilder:
    """363 bytes and a signature."""
    return (
        _dated()
        .subject_name(
            _name(
                (NameOID.ORGANIZATION_NAME, "Ford Motor Company"),
                (NameOID.COMMON_NAME, "FMC-NFC-ICA"),
            )
        )
        .issuer_name(_name((NameOID.COMMON_NAME, "FMC-NFC-ROOT")))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
    )


def _cms_root_layout() -> x509.CertificateBuilder:
    """651 bytes and a signature."""
    where = (
        (NameOID.COUNTRY_NAME, "US"),
        (NameOID.STATE_OR_PROVINCE_NAME, "Michigan"),
        (NameOID.LOCALITY_NAME, "Dearborn"),
        (NameOID.ORGANIZATION_NAME, "Ford Motor Company"),
    )
    subject = "Ford Motor Company KeyFob Pair ECC Issuing CA"
    issuer = "Ford Motor Company KeyFob Pair ECC Root CA"
    # RFC 2606 keeps example.com for this: nobody is ever asked for the list.
    crl = x509.UniformResourceIdentifier("http://pki.example.com/crl/keyfob-pair-ecc-root.crl")
    any_policy = x509.ObjectIdentifier("2.5.29.32.0")
    return (
        _dated()
        .subject_name(_name(*where, (NameOID.COMMON_NAME, subject)))
        .issuer_name(_name(*where, (NameOID.COMMON_NAME, issuer)))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(
            x509.CertificatePolicies([x509.PolicyInformation(any_policy, None)]), critical=False
        )
        .add_extension(
            x509.CRLDistributionPoints([x509.DistributionPoint([crl], None, None, None)]),
            critical=False,
        )
    )


def _dated() -> x509.CertificateBuilder:
    return x509.CertificateBuilder().not_valid_before(_NOT_BEFORE).not_valid_after(_NOT_AFTER)


def _name(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def _key_usage(*usages: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in usages for usage in _KEY_USAGES})
