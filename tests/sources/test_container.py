import base64
import datetime
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from kfasync.contracts.crypto import Vault
from kfasync.errors import ContainerError
from kfasync.model import Content
from kfasync.secret import Secret
from kfasync.sources.container import Container, read_certificates
from kfasync.sources.container import read_container as read_into
from tests.paths import VAULTS, each_vault

FIXTURES = Path(__file__).parents[2] / "fixtures"
CERTIFICATES = FIXTURES / "certificates"
FIRST = "1KM0001E-59918C0096F859EC8BF6DA454E2E554A14DD4BD1"
SECOND = "1KM0001F-95F12CA4718013F85A5F7C1F02C1382E2F03C7AB"
FILES = ("FESN.txt", "irk_keyfob.key", "keyfob_private.der", "keyfob_public.der")
FIRST_CONTENT = Content(fesn="1KM0001E", spid="59918C0096F859EC8BF6DA454E2E554A14DD4BD1")
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture
def containers(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / "containers", tmp_path / "containers"))


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CERTIFICATES, tmp_path / "certificates"))


# ------------------------------------------------------------------------------- making files


def pkcs8(
    key: PrivateKeyTypes,
    *,
    encoding: serialization.Encoding = serialization.Encoding.DER,
    layout: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
    encryption: serialization.KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(encoding, layout, encryption or serialization.NoEncryption())


def certificate(
    public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    *common_names: str,
    ca: bool | None = None,
    until: datetime.datetime = datetime.datetime(2046, 1, 1, tzinfo=datetime.UTC),
    encoding: serialization.Encoding = serialization.Encoding.DER,
) -> bytes:
    names = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "any")]))
        .serial_number(1)
        .not_valid_before(datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(until)
        .public_key(public_key)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(encoding)


def key_of(container: Path) -> ec.EllipticCurvePrivateKey:
    encoded = (container / "keyfob_private.der").read_bytes()
    key = serialization.load_der_private_key(encoded, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def scalar_of(container: Path) -> bytes:
    return key_of(container).private_numbers().private_value.to_bytes(32, "big")


def pkcs8_of_scalar(scalar: bytes) -> bytes:
    """PKCS#8 without a public key, which is optional there (RFC 5915, 3)."""
    algorithm = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
    ec_private_key = element(0x30, bytes.fromhex("020101") + element(0x04, scalar))
    return element(0x30, bytes.fromhex("020100") + algorithm + element(0x04, ec_private_key))


def element(tag: int, contents: bytes) -> bytes:
    return bytes([tag, len(contents)]) + contents


def read_container(path: Path) -> Container:
    """Into every vault there is: all of them take the same, and refuse the same in one way."""
    *others, last = VAULTS
    for vault in others:
        try:
            read = read_into(path, vault)
        except ContainerError as error:
            with pytest.raises(ContainerError, match=f"^{re.escape(str(error))}$"):
                read_into(path, last)
            raise
        assert read == read_into(path, last)
    return read_into(path, last)


# ----------------------------------------------------------------------------- one container


def test_a_fixture_container_is_read_as_it_was_made() -> None:
    path = FIXTURES / "containers" / FIRST
    container = read_container(path)
    assert container.content == FIRST_CONTENT
    assert container.scalar == Secret(scalar_of(path))
    assert container.irk == Secret(base64.b64decode(irk(path)))
    assert container.device_certificate == device(path)


@pytest.mark.parametrize(
    "scalar",
    [1, 2**248 - 1, 0x0420 << 100, P256_ORDER - 1],
    ids=["one", "a leading zero byte", "holds 04 20", "greatest"],
)
def test_a_scalar_is_32_bytes_big_endian_whatever_its_value(containers: Path, scalar: int) -> None:
    container = containers / FIRST
    key = ec.derive_private_key(scalar, ec.SECP256R1())
    (container / "keyfob_private.der").write_bytes(pkcs8(key))
    (container / "keyfob_public.der").write_bytes(certificate(key.public_key(), "1KM0001E"))
    assert read_container(container).scalar == Secret(scalar.to_bytes(32, "big"))


def test_a_private_key_without_its_public_key_is_read_too(containers: Path) -> None:
    container = containers / FIRST
    scalar = scalar_of(container)
    (container / "keyfob_private.der").write_bytes(pkcs8_of_scalar(scalar))
    assert read_container(container).scalar == Secret(scalar)


@pytest.mark.parametrize("year", [2002, 2099])
def test_a_validity_period_is_shown_and_not_judged(containers: Path, year: int) -> None:
    container = containers / FIRST
    until = datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)
    encoded = certificate(key_of(container).public_key(), "1KM0001E", until=until)
    (container / "keyfob_public.der").write_bytes(encoded)
    read = read_container(container)
    assert read.not_valid_before == datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    assert read.not_valid_after == until


def test_the_spid_is_kept_as_it_is_written(containers: Path) -> None:
    small = (containers / FIRST).rename(containers / (FIRST[:9] + FIRST[9:].lower()))
    assert read_container(small).content.spid == FIRST[9:].lower()


def test_hidden_names_are_overlooked(containers: Path) -> None:
    (containers / FIRST / ".DS_Store").write_bytes(b"")
    assert read_container(containers / FIRST).content == FIRST_CONTENT


def test_a_symbolic_link_within_its_directory_is_followed(containers: Path) -> None:
    container = containers / FIRST
    (container / "FESN.txt").rename(container / ".FESN.txt")
    (container / "FESN.txt").symlink_to(".FESN.txt")
    assert read_container(container).content.fesn == "1KM0001E"


def test_the_directory_of_containers_may_be_a_symbolic_link(
    containers: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(containers)
    assert read_container(tmp_path / "link" / FIRST).content == FIRST_CONTENT


def test_no_repr_of_a_container_shows_a_secret() -> None:
    container = read_container(FIXTURES / "containers" / FIRST)
    assert "scalar=Secret(32 bytes), irk=Secret(16 bytes)" in repr(container)


# ------------------------------------------------------------------- every way to be wrong

FESN_WANTED = "not the FESN of the directory's name"
IRK_WANTED = "not 16 bytes in base64"
PKCS8_WANTED = "not one P-256 key as PKCS#8 in DER"
X509_WANTED = "not one X.509 certificate in DER"
ANOTHER_KEY = "not the key of the device certificate"
ANOTHER_CN = "the one CN of its subject is not the FESN"

PEM = serialization.Encoding.PEM
SEC1 = serialization.PrivateFormat.TraditionalOpenSSL
PASSWORD = serialization.BestAvailableEncryption(b"password")

Contents = Callable[[Path], bytes]


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def irk(container: Path) -> bytes:
    return (container / "irk_keyfob.key").read_bytes()


def key(container: Path) -> bytes:
    return (container / "keyfob_private.der").read_bytes()


def device(container: Path) -> bytes:
    return (container / "keyfob_public.der").read_bytes()


def other(container: Path) -> Path:
    return container.parent / SECOND


def reissued(container: Path, *names: str) -> bytes:
    return certificate(key_of(container).public_key(), *names)


WRONG_CONTENTS: dict[tuple[str, str], dict[str, Contents]] = {
    ("FESN.txt", FESN_WANTED): {
        "empty": lambda _: b"",
        "with a line break": lambda _: b"1KM0001E\n",
        "of another fob": lambda _: b"1KM0001F",
        "in small letters": lambda _: b"1km0001e",
        "not in ASCII": lambda _: b"1KM0001\xc9",
    },
    ("irk_keyfob.key", IRK_WANTED): {
        "empty": lambda _: b"",
        "with a line break": lambda at: irk(at) + b"\n",
        "with a blank inside": lambda at: irk(at)[:9] + b" " + irk(at)[9:],
        "without padding": lambda at: irk(at)[:-2],
        "twice": lambda at: irk(at) * 2,
        "of 15 bytes": lambda _: base64.b64encode(bytes(15)),
        "of 17 bytes": lambda _: base64.b64encode(bytes(17)),
        "in the URL alphabet": lambda _: base64.urlsafe_b64encode(b"\xff" * 16),
        "in hex": lambda _: b"00" * 16,
        "not in ASCII": lambda _: b"\xff" * 24,
    },
    ("keyfob_private.der", PKCS8_WANTED): {
        "empty": lambda _: b"",
        "cut short": lambda at: key(at)[:-1],
        "with something after it": lambda at: key(at) + b"\0",
        "in PEM": lambda at: pkcs8(key_of(at), encoding=PEM),
        "as SEC 1": lambda at: pkcs8(key_of(at), layout=SEC1),
        "with a scalar cut short": lambda at: pkcs8_of_scalar(scalar_of(at)[1:]),
        "with the scalar zero": lambda at: key(at)[:36] + bytes(32) + key(at)[68:],
        "with another scalar": lambda at: key(at)[:36] + scalar_of(other(at)) + key(at)[68:],
    },
    ("keyfob_private.der", f"{PKCS8_WANTED}, without a password"): {
        "encrypted": lambda at: pkcs8(key_of(at), encryption=PASSWORD),
        "on P-384": lambda _: pkcs8(ec.generate_private_key(ec.SECP384R1())),
        "on secp256k1": lambda _: pkcs8(ec.generate_private_key(ec.SECP256K1())),
        "on Ed25519": lambda _: pkcs8(ed25519.Ed25519PrivateKey.generate()),
        "of RSA": lambda _: pkcs8(rsa.generate_private_key(65537, 1024)),
    },
    ("keyfob_private.der", ANOTHER_KEY): {
        "of another fob": lambda at: key(other(at)),
    },
    ("keyfob_public.der", X509_WANTED): {
        "empty": lambda _: b"",
        "cut short": lambda at: device(at)[:-1],
        "with something after it": lambda at: device(at) + b"\0",
        "in PEM": lambda at: x509.load_der_x509_certificate(device(at)).public_bytes(PEM),
    },
    ("keyfob_public.der", ANOTHER_CN): {
        "of another fob": lambda at: device(other(at)),
        "without a CN": lambda at: reissued(at),
        "with the CN twice": lambda at: reissued(at, "1KM0001E", "1KM0001E"),
        "with a longer CN": lambda at: reissued(at, "1KM0001E "),
    },
    ("notes.txt", "not a file of a container"): {"one file more": lambda _: b""},
}


def assert_refused(container: Path, name: str, message: str) -> None:
    with pytest.raises(ContainerError) as caught:
        read_container(container)
    assert caught.value.path == container / name
    what_and_way_out = str(caught.value).removeprefix(f"{container / name}: ")
    assert message in what_and_way_out
    assert "; " in what_and_way_out
    for vault in VAULTS:
        watched = Watched(vault)
        with pytest.raises(ContainerError):
            read_into(container, watched)
        assert not any(any(secret.expose()) for secret in watched.secrets)


class Watched:
    """A vault that knows which secrets it has given out."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.secrets: list[Secret] = []

    def secret(self, size: int) -> Secret:
        self.secrets.append(self._vault.secret(size))
        return self.secrets[-1]

    def scalar(self, pkcs8: Secret) -> tuple[Secret, bytes]:
        scalar, point = self._vault.scalar(pkcs8)
        self.secrets.append(scalar)
        return scalar, point

    def base64(self, text: Secret) -> Secret:
        self.secrets.append(self._vault.base64(text))
        return self.secrets[-1]


@pytest.mark.parametrize(
    ("name", "message", "contents"),
    [
        pytest.param(name, message, contents, id=f"{name} {what}")
        for (name, message), rows in WRONG_CONTENTS.items()
        for what, contents in rows.items()
    ],
)
def test_a_file_with_wrong_contents_is_refused(
    containers: Path, name: str, message: str, contents: Contents
) -> None:
    wrong = contents(containers / FIRST)
    (containers / FIRST / name).write_bytes(wrong)
    assert_refused(containers / FIRST, name, message)


@pytest.mark.parametrize(
    "public_key",
    [
        new_key().public_key(),
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        rsa.generate_private_key(65537, 1024).public_key(),
    ],
    ids=["P-256", "P-384", "RSA"],
)
def test_a_certificate_of_another_key_is_refused(
    containers: Path, public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
) -> None:
    encoded = certificate(public_key, "1KM0001E")
    (containers / FIRST / "keyfob_public.der").write_bytes(encoded)
    assert_refused(containers / FIRST, "keyfob_private.der", ANOTHER_KEY)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda path: None, "missing", id="missing"),
        pytest.param(Path.mkdir, "not a regular file", id="a directory"),
        pytest.param(os.mkfifo, "not a regular file", id="a FIFO"),
        pytest.param(lambda path: path.symlink_to("gone"), "cannot be read", id="a dead link"),
        pytest.param(lambda path: path.symlink_to(path), "cannot be read", id="a link to itself"),
        pytest.param(
            lambda path: path.symlink_to(FIXTURES / "containers" / FIRST / path.name),
            "a symbolic link out of its directory",
            id="a link out",
        ),
        pytest.param(lambda path: path.write_bytes(bytes(65537)), "larger than ", id="too large"),
    ],
)
def test_what_is_no_file_to_be_read_is_refused(
    containers: Path, name: str, make: Callable[[Path], object], message: str
) -> None:
    (containers / FIRST / name).unlink()
    make(containers / FIRST / name)
    assert_refused(containers / FIRST, name, message)


@pytest.mark.parametrize(
    "name",
    [
        FIRST[1:],
        f"0{FIRST}",
        FIRST[:-1],
        f"{FIRST}0",
        f"{FIRST}\n",
        FIRST.replace("-", "_"),
        FIRST.replace("1KM", "1K."),
        FIRST.replace("1KM", "1KÉ"),
        FIRST.replace("BD1", "BDG"),
        "1KM0001E",
    ],
)
def test_a_wrong_directory_name_is_refused(containers: Path, name: str) -> None:
    wrong = (containers / FIRST).rename(containers / name)
    with pytest.raises(ContainerError, match="its name is not <FESN>-<SPID>") as caught:
        read_container(wrong)
    assert caught.value.path == wrong


def test_a_container_that_is_not_there_is_refused(containers: Path) -> None:
    with pytest.raises(ContainerError, match="cannot be read"):
        read_container(containers / FIRST.replace("E-", "D-"))


def test_a_container_that_is_a_file_is_refused(containers: Path) -> None:
    name = FIRST.replace("E-", "D-")
    (containers / name).write_bytes(b"")
    with pytest.raises(ContainerError, match="not a directory"):
        read_container(containers / name)


def test_a_container_that_is_a_link_elsewhere_is_refused(containers: Path, tmp_path: Path) -> None:
    outside = (containers / FIRST).rename(tmp_path / FIRST)
    (containers / FIRST).symlink_to(outside)
    with pytest.raises(ContainerError, match="a symbolic link out of its directory"):
        read_container(containers / FIRST)


# ------------------------------------------------------------------- whatever a file may hold


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@st.composite
def file_bytes(draw: st.DrawFn, original: bytes) -> bytes:
    """Anything at all, or the right file with one byte changed or its end cut off."""
    kind = draw(st.sampled_from(["anything", "changed", "cut", "base64"]))
    if kind == "anything":
        return draw(st.binary(max_size=200))
    if kind == "base64":
        return base64.b64encode(draw(st.binary(max_size=30)))
    where = draw(st.integers(0, len(original) - 1))
    if kind == "cut":
        return original[:where]
    return original[:where] + bytes([draw(st.integers(0, 255))]) + original[where + 1 :]


# A changed byte can make the serial number negative, or a country of eight letters, which
# cryptography only warns about.
@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
@pytest.mark.filterwarnings("ignore:Attribute's length must be")
@each_vault
@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_any_bytes_give_a_container_or_an_error_that_does_not_repeat_them(
    tmp_path_factory: pytest.TempPathFactory, vault: Vault, name: str, data: st.DataObject
) -> None:
    container = tmp_path_factory.mktemp("any") / FIRST
    shutil.copytree(FIXTURES / "containers" / FIRST, container)
    held = data.draw(file_bytes((container / name).read_bytes()))
    (container / name).write_bytes(held)
    try:
        read_into(container, vault)
    except ContainerError as caught:
        texts = [f"{error} {error.args!r} {vars(error)!r}" for error in chain(caught)]
        text = "\n".join(texts).replace(str(container), "")
        shown = (held.decode("latin-1"), held.hex(), held.hex().upper(), repr(held)[2:-1])
        for form in shown:
            pieces = {form[at : at + 8] for at in range(len(form) - 7)}
            assert not [piece for piece in pieces if piece in text]


# -------------------------------------------------------------------------- CA certificates


def test_the_ca_certificates_are_read_as_they_are() -> None:
    read = read_certificates(CERTIFICATES)
    assert read.ica == (CERTIFICATES / "ica_cert.der").read_bytes()
    assert read.cms_root == (CERTIFICATES / "cms_root_cert.der").read_bytes()


def test_the_names_in_ca_certificates_are_free(certificates: Path) -> None:
    encoded = certificate(new_key().public_key(), "any", ca=True)
    (certificates / "ica_cert.der").write_bytes(encoded)
    assert read_certificates(certificates).ica == encoded


@pytest.mark.parametrize("name", ["ica_cert.der", "cms_root_cert.der"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", X509_WANTED),
        (CERTIFICATES.joinpath("ica_cert.der").read_bytes() + b"\0", X509_WANTED),
        (CERTIFICATES.joinpath("ica_cert.der").read_bytes()[:-1], X509_WANTED),
        (key(FIXTURES / "containers" / FIRST), X509_WANTED),
        (device(FIXTURES / "containers" / FIRST), "of a CA"),
        (certificate(new_key().public_key(), "any"), "of a CA"),
        (
            certificate(new_key().public_key(), "any", ca=True).replace(
                b"\x01\x01\xff", b"\x02" * 3
            ),
            X509_WANTED,
        ),
        (bytes(65537), "larger than 64 KiB"),
        (None, "cannot be read"),
    ],
    ids=["empty", "more", "cut", "key", "device", "plain", "broken", "large", "missing"],
)
def test_a_wrong_ca_certificate_is_refused(
    certificates: Path, name: str, data: bytes | None, message: str
) -> None:
    (certificates / name).unlink()
    if data is not None:
        (certificates / name).write_bytes(data)
    with pytest.raises(ContainerError, match=message) as caught:
        read_certificates(certificates)
    assert caught.value.path == certificates / name
