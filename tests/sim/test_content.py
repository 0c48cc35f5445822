import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.x509.oid import NameOID

from kfasync.sim.content import (
    DEVICE_CERTIFICATE_SIZES,
    make_certificates,
    make_container,
    make_containers,
)

SPID = "59918C0096F859EC8BF6DA454E2E554A14DD4BD1"


def common_name(name: x509.Name) -> str:
    (attribute,) = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert isinstance(attribute.value, str)
    return attribute.value


def certificate_of(container: Path) -> x509.Certificate:
    return x509.load_der_x509_certificate((container / "keyfob_public.der").read_bytes())


def test_a_container_is_named_by_fesn_and_spid_and_holds_four_files(tmp_path: Path) -> None:
    container = make_container(tmp_path / "new", "1KM0001E", SPID)
    assert container == tmp_path / "new" / f"1KM0001E-{SPID}"
    assert sorted(path.name for path in container.iterdir()) == [
        "FESN.txt",
        "irk_keyfob.key",
        "keyfob_private.der",
        "keyfob_public.der",
    ]
    assert (container / "FESN.txt").read_bytes() == b"1KM0001E"


def test_a_spid_in_small_letters_stays_so(tmp_path: Path) -> None:
    assert make_container(tmp_path, "1KM0001E", SPID.lower()).name == f"1KM0001E-{SPID.lower()}"


def test_the_irk_is_16_random_bytes_in_base64(tmp_path: Path) -> None:
    encoded = [
        path.joinpath("irk_keyfob.key").read_bytes() for path in make_containers(tmp_path, 2)
    ]
    assert [len(text) for text in encoded] == [24, 24]
    assert [len(base64.b64decode(text, validate=True)) for text in encoded] == [16, 16]
    assert encoded[0] != encoded[1]


def test_the_private_key_belongs_to_the_device_certificate(tmp_path: Path) -> None:
    container = make_container(tmp_path, "1KM0001E", SPID)
    encoded = (container / "keyfob_private.der").read_bytes()
    key = load_der_private_key(encoded, None)
    assert len(encoded) == 138
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert key.public_key() == certificate_of(container).public_key()
    assert common_name(certificate_of(container).subject) == "1KM0001E"


@pytest.mark.parametrize("size", DEVICE_CERTIFICATE_SIZES)
def test_a_device_certificate_has_the_size_that_is_asked_for(tmp_path: Path, size: int) -> None:
    container = make_container(tmp_path, "1KM0001E", SPID, size=size)
    assert (container / "keyfob_public.der").stat().st_size == size


@pytest.mark.parametrize(
    ("fesn", "spid", "size", "message"),
    [
        ("1KM0001", SPID, None, "FESN '1KM0001' is not"),
        ("1KM0001E0", SPID, None, "FESN '1KM0001E0' is not"),
        ("1KM-001E", SPID, None, "FESN '1KM-001E' is not"),
        ("1KM0001É", SPID, None, "is not 8 letters"),
        ("1KM0001E", SPID[:-1], None, "is not 40 hex digits"),
        ("1KM0001E", "g" * 40, None, "is not 40 hex digits"),
        ("1KM0001E", f"{SPID}\n", None, "is not 40 hex digits"),
        ("1KM0001E", SPID, 421, "422 to 424 bytes, not 421"),
        ("1KM0001E", SPID, 425, "422 to 424 bytes, not 425"),
    ],
)
def test_a_wrong_name_or_size_makes_nothing(
    tmp_path: Path, fesn: str, spid: str, size: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_container(tmp_path, fesn, spid, size=size)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spid", [SPID, SPID[::-1]])
def test_a_container_of_the_same_fesn_is_never_overwritten(tmp_path: Path, spid: str) -> None:
    container = make_container(tmp_path, "1KM0001E", SPID)
    before = {path: path.read_bytes() for path in container.iterdir()}
    with pytest.raises(FileExistsError, match="1KM0001E already"):
        make_container(tmp_path, "1KM0001E", spid)
    assert {path: path.read_bytes() for path in container.iterdir()} == before
    assert list(tmp_path.iterdir()) == [container]


def test_more_containers_count_up_from_1km00020(tmp_path: Path) -> None:
    made = make_containers(tmp_path, 17)
    fesns = [path.name[:8] for path in made]
    assert fesns == [f"1KM000{number:02X}" for number in range(0x20, 0x31)]
    assert sorted(tmp_path.iterdir()) == made
    assert len({path.name[9:] for path in made}) == 17


def test_more_containers_pass_over_what_is_there(tmp_path: Path) -> None:
    make_container(tmp_path, "1KM00021", SPID)
    made = make_containers(tmp_path, 2) + make_containers(tmp_path, 1)
    assert [path.name[:8] for path in made] == ["1KM00020", "1KM00022", "1KM00023"]


@pytest.mark.parametrize(
    ("first", "second"),
    [("1KM0001F", "1KM00020"), ("ABCDEF09", "ABCDEF0A"), ("XXXXXXX0", "XXXXXXX1")],
)
def test_only_hex_digits_at_the_end_count_up(tmp_path: Path, first: str, second: str) -> None:
    made = make_containers(tmp_path, 2, first=first)
    assert [path.name[:8] for path in made] == [first, second]


@pytest.mark.parametrize("first", ["1KM0002", "1KM000200", "1KM0002X", "1km00020", ""])
def test_fesns_cannot_count_up_from_what_is_no_number(tmp_path: Path, first: str) -> None:
    with pytest.raises(ValueError, match="end in a hex digit"):
        make_containers(tmp_path, 1, first=first)


def test_fesns_run_out_instead_of_growing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no FESN is left between 1KMXXXXE and 1KMXXXXF"):
        make_containers(tmp_path, 3, first="1KMXXXXE")
    assert len(list(tmp_path.iterdir())) == 2


def test_certificates_of_one_run_have_one_issuer_and_different_serial_numbers(
    tmp_path: Path,
) -> None:
    one, other = (certificate_of(container) for container in make_containers(tmp_path, 2))
    key_id = x509.AuthorityKeyIdentifier
    assert one.extensions.get_extension_for_class(key_id) == (
        other.extensions.get_extension_for_class(key_id)
    )
    assert one.serial_number != other.serial_number


@pytest.mark.parametrize(
    ("name", "size", "subject", "issuer"),
    [
        ("ica_cert.der", 435, "FMC-NFC-ICA", "FMC-NFC-ROOT"),
        (
            "cms_root_cert.der",
            722,
            "Ford Motor Company KeyFob Pair ECC Issuing CA",
            "Ford Motor Company KeyFob Pair ECC Root CA",
        ),
    ],
)
def test_the_ca_certificates_have_the_real_names_and_sizes(
    tmp_path: Path, name: str, size: int, subject: str, issuer: str
) -> None:
    make_certificates(tmp_path / "new")
    encoded = (tmp_path / "new" / name).read_bytes()
    certificate = x509.load_der_x509_certificate(encoded)
    assert len(encoded) == size
    assert common_name(certificate.subject) == subject
    assert common_name(certificate.issuer) == issuer
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize("name", ["ica_cert.der", "cms_root_cert.der"])
def test_no_ca_certificate_is_the_issuer_of_a_device_certificate(tmp_path: Path, name: str) -> None:
    make_certificates(tmp_path / "ca")
    ca = x509.load_der_x509_certificate((tmp_path / "ca" / name).read_bytes())
    device = certificate_of(make_container(tmp_path, "1KM0001E", SPID))
    with pytest.raises(ValueError, match="does not match"):
        device.verify_directly_issued_by(ca)


@pytest.mark.parametrize(
    "make", [make_certificates, lambda path: make_containers(path, 1)], ids=["ca", "containers"]
)
def test_a_file_in_the_place_of_the_directory_is_an_error(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(FileExistsError):
        make(tmp_path / "taken")


def test_ca_certificates_are_never_overwritten(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError):
        make_certificates(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
