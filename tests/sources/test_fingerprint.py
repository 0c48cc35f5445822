"""What content is: the same for the same, and another for any other."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kfasync.crypto.choose import available, choose
from kfasync.model import Item
from kfasync.secret import Secret
from kfasync.sources.fingerprint import fingerprint, public_point

KEY = ec.derive_private_key(0xC0FFEE, ec.SECP256R1())
SCALAR = Secret((0xC0FFEE).to_bytes(32))
POINT = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
ITEMS = (
    Item(0xA003, SCALAR, under_dek=True),
    Item(0xA001, b"5" * 40),
    Item(0xA002, b"certificate"),
    Item(0xA004, b"ica"),
    Item(0xA005, b"root"),
    Item(0xA006, Secret(bytes(range(16)))),
)
DIGEST_KEY = bytes(32)


@pytest.mark.parametrize("path", available())
def test_the_public_point_is_computed_from_the_scalar_on_every_path(path: str) -> None:
    assert public_point(SCALAR, choose(path).vault) == POINT
    assert bytes(SCALAR.expose()) == (0xC0FFEE).to_bytes(32)


@pytest.mark.parametrize("path", available())
@pytest.mark.parametrize("scalar", [bytes(32), b"\xff" * 32], ids=["zero", "beyond the order"])
def test_what_is_no_scalar_is_refused(path: str, scalar: bytes) -> None:
    with pytest.raises(ValueError, match="P-256"):
        public_point(Secret(scalar), choose(path).vault)


def test_the_key_is_known_by_its_subject_public_key_info() -> None:
    spki = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert fingerprint(POINT, ITEMS, DIGEST_KEY).key == hashlib.sha256(spki).hexdigest()


def changed(dgi: int) -> tuple[Item, ...]:
    return tuple(
        Item(item.dgi, Secret(b"other") if item.dgi == dgi else item.value) for item in ITEMS
    )


@pytest.mark.parametrize("dgi", [0xA001, 0xA002, 0xA003, 0xA006])
def test_what_is_a_fobs_own_makes_it_another(dgi: int) -> None:
    before, after = (fingerprint(POINT, items, DIGEST_KEY) for items in (ITEMS, changed(dgi)))
    assert before.items != after.items
    assert (before.irk != after.irk) is (dgi == 0xA006)


@pytest.mark.parametrize("dgi", [0xA004, 0xA005])
def test_a_ca_certificate_may_be_renewed(dgi: int) -> None:
    assert fingerprint(POINT, changed(dgi), DIGEST_KEY) == fingerprint(POINT, ITEMS, DIGEST_KEY)


def test_the_order_of_items_is_not_content() -> None:
    assert fingerprint(POINT, ITEMS[::-1], DIGEST_KEY) == fingerprint(POINT, ITEMS, DIGEST_KEY)


def test_another_ledger_has_other_digests_of_what_is_secret() -> None:
    one, other = (fingerprint(POINT, ITEMS, key) for key in (DIGEST_KEY, b"\1" * 32))
    assert one.key == other.key
    assert one.irk != other.irk
    assert one.items != other.items


def test_content_without_an_irk_is_none() -> None:
    with pytest.raises(ValueError, match="without an IRK"):
        fingerprint(POINT, ITEMS[:-1], DIGEST_KEY)
