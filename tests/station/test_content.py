"""Content is what it is: nothing goes to two fobs, whatever it is called."""

import shutil
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from cryptography.x509.oid import NameOID

from kfasync.crypto.heap import HeapVault
from kfasync.errors import ContainerError
from kfasync.sim.content import make_containers
from kfasync.sim.faults import FaultKind
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.personalization import Dgi
from kfasync.sources.containers import check
from kfasync.station.config import LoadedConfig
from tests.station.desks import BLOCK_5, GET_UID, LAST_BLOCK, floor, furnish

pytestmark = pytest.mark.anyio

SAME = ["key", "SPID", "IRK"]


def first_and_second(loaded: LoadedConfig) -> tuple[Path, Path]:
    one, two = sorted(loaded.resolve("containers").iterdir())[:2]
    return one, two


def make_same(one: Path, two: Path, what: str) -> Path:
    """Give the second container what the first one has; it is whole and checks by itself."""
    if what == "IRK":
        shutil.copy(one / "irk_keyfob.key", two)
    elif what == "SPID":
        spid = one.name.partition("-")[2].lower()  # the same 20 bytes in other digits
        return two.rename(two.with_name(f"{two.name.partition('-')[0]}-{spid}"))
    else:
        shutil.copy(one / "keyfob_private.der", two)
        certify(two)
    return two


def certify(container: Path) -> None:
    """A certificate of the container's own name for the key that lies in it now."""
    key = load_der_private_key((container / "keyfob_private.der").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    old = x509.load_der_x509_certificate((container / "keyfob_public.der").read_bytes())
    fesn = container.name.partition("-")[0]
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, fesn)]))
        .issuer_name(old.issuer)
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
        .serial_number(x509.random_serial_number())
        .public_key(key.public_key())
        .sign(key, hashes.SHA256())
    )
    (container / "keyfob_public.der").write_bytes(made.public_bytes(Encoding.DER))


def holds(fob: SimulatedFob) -> dict[str, bytes]:
    return {
        name: bytes(fob.stored[dgi].expose())
        for name, dgi in (("key", Dgi.PRIVATE_KEY), ("SPID", Dgi.SPID), ("IRK", Dgi.IRK))
    }


@pytest.mark.parametrize("what", SAME)
async def test_a_second_container_with_the_same_is_set_aside(tmp_path: Path, what: str) -> None:
    loaded = furnish(tmp_path, containers=3)
    one, two = first_and_second(loaded)
    two = make_same(one, two, what)
    async with floor(loaded) as place:
        fobs = [place.fobs.make() for _ in range(2)]
        records = [await place.serve("A", fob) for fob in fobs]
        assert [record.outcome for record in records] == ["pass", "pass"]
        assert two.name.partition("-")[0] not in [record.fesn for record in records]
        (aside,) = place.desk.ledger.aside()
        assert f"has the {what} of container {one.name[:8]}" in aside.reason
        third = await place.serve("A", place.fobs.make())
        assert (third.outcome, third.cause) == ("error", "SourceError")
        assert "1 are set aside" in third.message
    first, second = (holds(fob) for fob in fobs)
    assert all(first[name] != second[name] for name in SAME)


@pytest.mark.parametrize("what", SAME)
async def test_what_was_set_aside_is_taken_when_it_is_mended(tmp_path: Path, what: str) -> None:
    loaded = furnish(tmp_path, containers=2)
    one, two = first_and_second(loaded)
    kept = shutil.copytree(two, tmp_path / two.name)
    two = make_same(one, two, what)
    async with floor(loaded) as place:
        assert (await place.serve("A", place.fobs.make())).outcome == "pass"
        assert (await place.serve("A", place.fobs.make())).cause == "SourceError"
        shutil.rmtree(two)
        shutil.move(kept, loaded.resolve("containers"))
        assert (await place.serve("A", place.fobs.make())).outcome == "pass"
        assert place.desk.ledger.aside() == []


@pytest.mark.parametrize("at", [BLOCK_5, LAST_BLOCK], ids=["bound", "in doubt"])
async def test_content_that_changed_under_its_name_since_it_was_burned_is_refused(
    tmp_path: Path, at: int
) -> None:
    loaded = furnish(tmp_path)
    one, _ = first_and_second(loaded)
    kept = shutil.copytree(one, tmp_path / "kept")
    kind = FaultKind.TORN_BEFORE if at == BLOCK_5 else FaultKind.TORN_AFTER
    async with floor(loaded) as place:
        fob = place.fobs.faulty(kind, at)
        await place.serve("A", fob)
    # With the lane at rest: it may have looked for the fob once more, and read its container.
    (other,) = make_containers(tmp_path / "other", 1, first=one.name[:8])
    for name in ("irk_keyfob.key", "keyfob_private.der", "keyfob_public.der"):
        shutil.copy(other / name, one)
    sent = len(fob.log)
    async with floor(loaded) as place:
        record = await place.serve("A", fob)
        assert (record.outcome, record.cause) == ("error", "SourceError")
        assert "it has changed under its name; put the original back" in record.message
        assert {header for header, _ in fob.log[sent:]} == {GET_UID}
        shutil.rmtree(one)
        shutil.copytree(kept, one)
        assert (await place.serve("A", fob)).outcome == "pass"


async def test_a_renewed_ca_certificate_changes_no_content(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with floor(loaded) as place:
        fob = place.fobs.faulty(FaultKind.TORN_BEFORE, BLOCK_5)
        assert (await place.serve("A", fob)).disposition == "bound"
    ica, root = (tmp_path / "certificates" / f"{name}_cert.der" for name in ("ica", "cms_root"))
    shutil.copy(root, ica)
    async with floor(loaded) as place:
        assert (await place.serve("A", fob)).outcome == "pass"


@pytest.mark.parametrize("what", SAME)
async def test_the_check_of_a_directory_tells_of_the_same_twice(tmp_path: Path, what: str) -> None:
    loaded = furnish(tmp_path, containers=3)
    one, two = first_and_second(loaded)
    two = make_same(one, two, what)
    found = check(loaded.resolve("containers"), tmp_path / "certificates", HeapVault())
    (error,) = [error for _, error in found if error is not None]
    assert isinstance(error, ContainerError)
    assert error.path == two
    assert f"it has the {what} of container {one.name}" in str(error)
