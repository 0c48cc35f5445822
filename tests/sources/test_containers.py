import os
import random
import shutil
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from kfasync.contracts.sources import SetAside, Source
from kfasync.crypto.choose import choose
from kfasync.crypto.heap import HeapVault
from kfasync.errors import ContainerError, SourceError
from kfasync.model import Content, Fingerprint, Item, KeyCheckValues, KeySet, Lease, Unit
from kfasync.secret import Secret
from kfasync.sources.container import read_certificates, read_container
from kfasync.sources.containers import ContainerSource, check, scan
from tests.station.desks import take

FIXTURES = Path(__file__).parents[2] / "fixtures"
CERTIFICATES = FIXTURES / "certificates"
FIRST = "1KM0001E-59918C0096F859EC8BF6DA454E2E554A14DD4BD1"
SECOND = "1KM0001F-95F12CA4718013F85A5F7C1F02C1382E2F03C7AB"
VAULT = choose().vault

KEYS = KeySet(
    kvn=255,
    enc=Secret(bytes(16)),
    mac=Secret(bytes(16)),
    dek=Secret(b"0123456789abcdef"),
    kcv=KeyCheckValues(enc=b"enc", mac=b"mac", dek=b"dek"),
)


def unit(number: int) -> Unit:
    uid = number.to_bytes(7, "big")
    return Unit(
        uid=uid,
        diversification_uid=uid,
        atr=b"\x3b\x80\x80\x01\x01",
        aid=bytes(5),
        profile="default",
    )


class MemoryPool:
    """A pool that forgets everything at the end of the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # lanes claim from worker threads
        self._free: list[Content] = []
        self._claims: dict[bytes, Content] = {}
        self._aside: dict[str, SetAside] = {}
        self.digest_key = bytes(32)
        self.reasons: dict[str, str] = {}  # why a container must not be issued

    def offer(self, contents: Iterable[Content]) -> None:
        with self._lock:
            claimed = set(self._claims.values())
            out = claimed | {one.content for one in self._aside.values()}
            self._free = [content for content in contents if content not in out]

    def claim(self, unit: Unit) -> tuple[str, Content] | None:
        with self._lock:
            if unit.uid not in self._claims:
                if not self._free:
                    return None
                self._claims[unit.uid] = self._free.pop(0)
            return f"lease-{unit.uid.hex()}", self._claims[unit.uid]

    def identify(
        self, unit: Unit, fence: str, content: Content, fingerprint: Fingerprint
    ) -> str | None:
        return self.reasons.get(content.fesn)

    def set_aside(self, unit: Unit, fence: str, content: Content, reason: str, stamp: str) -> bool:
        del self._claims[unit.uid]
        self._aside[content.fesn] = SetAside(content, reason, stamp)
        return True

    def aside(self) -> list[SetAside]:
        return list(self._aside.values())

    def take_back(self, fesns: Iterable[str]) -> None:
        for fesn in fesns:
            del self._aside[fesn]


class KeepingVault(HeapVault):
    """Keeps hold of the secrets that it made, so that a test can look at them afterwards."""

    def __init__(self) -> None:
        self.given: list[Secret] = []

    def scalar(self, pkcs8: Secret) -> tuple[Secret, bytes]:
        scalar, point = super().scalar(pkcs8)
        self.given.append(scalar)
        return scalar, point

    def base64(self, text: Secret) -> Secret:
        self.given.append(super().base64(text))
        return self.given[-1]


@pytest.fixture
def containers(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / "containers", tmp_path / "containers"))


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CERTIFICATES, tmp_path / "certificates"))


def content_of(name: str) -> Content:
    fesn, _, spid = name.partition("-")
    return Content(fesn=fesn, spid=spid)


# ----------------------------------------------------------------- directories of containers


def test_a_scan_is_sorted_by_fesn(containers: Path) -> None:
    names = [f"1KM{number:05X}-{'0' * 40}" for number in range(0x20, 0x40)]
    for name in random.sample(names, len(names)):
        (containers / name).mkdir()
    assert scan(containers) == [content_of(name) for name in [FIRST, SECOND, *names]]


def test_hidden_names_are_overlooked(containers: Path, certificates: Path) -> None:
    (containers / ".half-copied").mkdir()
    (containers / ".half-copied" / "anything").write_bytes(b"")
    assert scan(containers) == [content_of(FIRST), content_of(SECOND)]
    assert [error for _, error in check(containers, certificates, VAULT)] == [None] * 4


@pytest.mark.parametrize("name", ["Thumbs.db", FIRST[:-1], f"{FIRST}\n"])
def test_a_scan_refuses_what_has_not_the_name_of_a_container(containers: Path, name: str) -> None:
    wrong = (containers / FIRST).rename(containers / name)
    with pytest.raises(ContainerError, match="its name is not <FESN>-<SPID>") as caught:
        scan(containers)
    assert caught.value.path == wrong


@pytest.mark.parametrize("wrong", ["gone", f"containers/{FIRST}/FESN.txt"])
def test_a_directory_that_is_none_is_refused(containers: Path, wrong: str) -> None:
    path = containers.parent / wrong
    with pytest.raises(ContainerError, match="not a directory that can be read"):
        scan(path)
    found = list(check(path, CERTIFICATES, VAULT))
    assert [(name, error is None) for name, error in found] == [
        (CERTIFICATES / "ica_cert.der", True),
        (CERTIFICATES / "cms_root_cert.der", True),
        (path, False),
    ]


def test_two_containers_of_one_fesn_are_refused(containers: Path) -> None:
    twin = containers / f"1KM0001E-{'A' * 40}"
    shutil.copytree(containers / FIRST, twin)
    with pytest.raises(ContainerError, match="another container has this FESN") as caught:
        scan(containers)
    assert caught.value.path == twin
    wrong = {path for path, error in check(containers, CERTIFICATES, VAULT) if error is not None}
    assert wrong == {containers / FIRST, twin}


def test_a_check_tells_everything_that_is_wrong(containers: Path, certificates: Path) -> None:
    (containers / FIRST / "FESN.txt").unlink()
    (containers / SECOND / "irk_keyfob.key").write_bytes(b"")
    (containers / "Thumbs.db").write_bytes(b"")
    (certificates / "cms_root_cert.der").unlink()
    found = [(path.name, error) for path, error in check(containers, certificates, VAULT)]
    assert [(name, error and error.path.name) for name, error in found] == [
        ("ica_cert.der", None),
        ("cms_root_cert.der", "cms_root_cert.der"),
        (FIRST, "FESN.txt"),
        (SECOND, "irk_keyfob.key"),
        ("Thumbs.db", "Thumbs.db"),
    ]


# ---------------------------------------------------------------------------------- the source


def stream_size(items: Iterable[Item]) -> int:
    """Tag, length and data of every DGI; the scalar is padded to three AES blocks."""
    total = 0
    for item in items:
        size = 48 if item.under_dek else len(item.value)
        total += 2 + (1 if size < 255 else 3) + size
    return total


async def opened(containers: Path, certificates: Path = CERTIFICATES) -> ContainerSource:
    source = ContainerSource(containers, certificates, KEYS, MemoryPool(), VAULT)
    await source.open()
    return source


async def lease_both(source: Source) -> list[Lease]:
    return [await take(source, unit(1)), await take(source, unit(2))]


@pytest.mark.anyio
async def test_a_lease_holds_the_items_in_the_order_of_the_wire() -> None:
    source = await opened(FIXTURES / "containers")
    lease = await take(source, unit(1))
    read = read_container(FIXTURES / "containers" / FIRST, VAULT)
    static = read_certificates(CERTIFICATES)
    assert lease == Lease(
        lease_id="lease-00000000000001",
        unit=unit(1),
        content=content_of(FIRST),
        keys=KEYS,
        items=(
            Item(0xA003, read.scalar, under_dek=True),
            Item(0xA001, FIRST[9:].encode("ascii")),
            Item(0xA002, read.device_certificate),
            Item(0xA004, static.ica),
            Item(0xA005, static.cms_root),
            Item(0xA006, read.irk),
        ),
        secrets=(read.scalar, read.irk),
        fence="lease-00000000000001",
        expires_at_s=None,
        issuer_checked=False,
    )


@pytest.mark.anyio
async def test_the_fixtures_give_streams_of_1709_and_1707_bytes() -> None:
    source = await opened(FIXTURES / "containers")
    leases = await lease_both(source)
    assert [stream_size(lease.items) for lease in leases] == [1709, 1707]


@pytest.mark.anyio
async def test_no_repr_of_a_lease_shows_a_secret() -> None:
    source = await opened(FIXTURES / "containers")
    lease = await take(source, unit(1))
    secrets = [item.value for item in lease.items if isinstance(item.value, Secret)]
    assert [len(secret) for secret in secrets] == [32, 16]
    assert not [one for one in secrets if repr(bytes(one.expose()))[2:-1] in repr(lease)]


@pytest.mark.anyio
async def test_one_unit_gets_the_same_content_again_and_another_unit_another(
    containers: Path,
) -> None:
    source = await opened(containers)
    one, another = await lease_both(source)
    assert (one.content, another.content) == (content_of(FIRST), content_of(SECOND))
    assert await take(source, unit(1)) == one


@pytest.mark.anyio
async def test_when_none_is_free_the_directory_is_looked_at_again(containers: Path) -> None:
    shutil.move(containers / SECOND, containers.parent / SECOND)
    source = await opened(containers)
    await take(source, unit(1))
    with pytest.raises(SourceError, match="no container is free; add containers"):
        await take(source, unit(2))
    shutil.move(containers.parent / SECOND, containers / SECOND)
    assert (await take(source, unit(2))).content == content_of(SECOND)


@pytest.mark.anyio
async def test_a_damaged_container_is_set_aside_until_it_is_mended(containers: Path) -> None:
    irk = containers / FIRST / "irk_keyfob.key"
    whole = irk.read_bytes()
    irk.write_bytes(b"")
    pool = MemoryPool()
    source = ContainerSource(containers, CERTIFICATES, KEYS, pool, VAULT)
    await source.open()
    assert (await take(source, unit(1))).content == content_of(SECOND)
    (aside,) = pool.aside()
    assert aside.content == content_of(FIRST)
    assert "not 16 bytes in base64" in aside.reason
    with pytest.raises(SourceError, match="no container is free; 1 are set aside"):
        await take(source, unit(2))
    irk.write_bytes(whole)
    assert (await take(source, unit(2))).content == content_of(FIRST)
    assert pool.aside() == []


@pytest.mark.anyio
async def test_content_that_must_not_be_issued_is_set_aside_and_wiped(containers: Path) -> None:
    pool, vault = MemoryPool(), KeepingVault()
    pool.reasons[content_of(FIRST).fesn] = "it has the key of another"
    source = ContainerSource(containers, CERTIFICATES, KEYS, pool, vault)
    await source.open()
    lease = await take(source, unit(1))
    assert lease.content == content_of(SECOND)
    assert [one.reason for one in pool.aside()] == ["it has the key of another"]
    held = [secret for secret in vault.given if any(secret.expose())]
    assert held == list(lease.secrets)


@pytest.mark.anyio
async def test_nobody_has_to_hear_of_an_end(containers: Path) -> None:
    source = await opened(containers)
    assert not source.facts.remote
    assert await source.tell([]) == []
    await source.close()


class CountingPool(MemoryPool):
    """Counts how often the directory was looked through."""

    offers = 0

    def offer(self, contents: Iterable[Content]) -> None:
        self.offers += 1
        super().offer(contents)


@pytest.mark.anyio
async def test_an_unchanged_directory_is_not_looked_through_for_every_fob(
    containers: Path,
) -> None:
    shutil.rmtree(containers / SECOND)
    pool = CountingPool()
    source = ContainerSource(containers, CERTIFICATES, KEYS, pool, VAULT)
    long_ago = time.time() - 3600
    os.utime(containers, (long_ago, long_ago))
    await source.open()
    await take(source, unit(1))
    for number in (2, 3, 4):
        with pytest.raises(SourceError, match="no container is free"):
            await take(source, unit(number))
    assert pool.offers == 1
    # What has just changed may change once more within one tick of the clock.
    os.utime(containers)
    for number in (2, 3):
        with pytest.raises(SourceError, match="no container is free"):
            await take(source, unit(number))
    assert pool.offers == 3


@pytest.mark.anyio
async def test_a_source_does_not_open_without_its_ca_certificates(
    containers: Path, certificates: Path
) -> None:
    (certificates / "ica_cert.der").unlink()
    with pytest.raises(ContainerError, match=r"ica_cert\.der"):
        await opened(containers, certificates)


@pytest.mark.anyio
async def test_a_source_does_not_open_over_a_wrong_name(containers: Path) -> None:
    (containers / "Thumbs.db").write_bytes(b"")
    with pytest.raises(ContainerError, match=r"Thumbs\.db"):
        await opened(containers)
