"""Fob content from a directory of containers.

    <containers>/<FESN>-<SPID>/...     see :mod:`kfasync.sources.container`
    <certificates>/...

The directory holds nothing but containers; only hidden names (a leading dot) are overlooked.
So a container may be copied in under a hidden name and renamed when it is whole.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio.to_thread

from kfasync.contracts.crypto import Vault
from kfasync.contracts.sources import End, Parcel, Pool, SourceFacts
from kfasync.core.dgi import Dgi
from kfasync.errors import ContainerError, SourceError
from kfasync.model import Content, Item, KeySet, Lease, Unit
from kfasync.sources.container import (
    CMS_ROOT,
    ICA,
    Container,
    StaticCertificates,
    list_names,
    list_visible,
    read_ca_certificate,
    read_certificates,
    read_container,
    stamp,
)
from kfasync.sources.fingerprint import fingerprint

CLOCK_TICK_NS = 2_000_000_000  # of FAT, the coarsest


class ContainerSource:
    """A :class:`kfasync.contracts.sources.Source` over a directory of containers.

    The pool keeps who has which container. Only claims go through here: what becomes of a
    claim is written by the ledger itself, in the transaction of the fob's record, so that
    no crash comes between the two.
    """

    def __init__(
        self, directory: Path, certificates: Path, keys: KeySet, pool: Pool, vault: Vault
    ) -> None:
        self.facts = SourceFacts("containers", pool=f"containers:{directory}")
        self._directory = directory
        self._certificates_directory = certificates
        self._certificates = StaticCertificates(b"", b"")
        self._keys = keys
        self._pool = pool
        self._vault = vault
        self._scanning = threading.Lock()
        self._seen: object = None  # what the directory looked like when it was last scanned

    async def open(self) -> None:
        """Read the CA certificates, find the containers and offer them to the pool.

        Raises:
            ContainerError: a CA certificate or the name of a container is wrong.
        """
        await anyio.to_thread.run_sync(self._open)

    async def close(self) -> None:
        """Nothing is held; the static keys stay, for every fob has the same."""

    async def fetch(self, unit: Unit, *, ttl_s: int | None = None) -> Parcel:
        """An empty parcel: which container it is, the pool decides when it is needed."""
        return Parcel(unit)

    def adopt(self, parcel: Parcel) -> Lease:
        """Claim a container for the unit and read it; the same one while its turn is open.

        One that is damaged, or is the same as one that was issued, is set aside, and the next one
        is taken.

        Raises:
            SourceError: no container is free, or the one that this unit was written with is
                damaged or another one now.
        """
        unit = parcel.unit
        while True:
            fence, content = self._claim(unit)
            path = self._directory / f"{content.fesn}-{content.spid}"
            seen = stamp(path)
            try:
                lease, point = self._read(path, unit, fence, content)
            except ContainerError as error:
                if not self._pool.set_aside(unit, fence, content, str(error), seen):
                    raise
                continue
            try:
                digests = fingerprint(point, lease.items, self._pool.digest_key)
                reason = self._pool.identify(unit, fence, content, digests)
            except BaseException:
                _wipe(lease)
                raise
            if reason is None:
                return lease
            _wipe(lease)
            self._pool.set_aside(unit, fence, content, reason, seen)

    async def tell(self, ends: Sequence[End]) -> Sequence[SourceError | None]:
        """Nobody has to hear of an end: the pool is the ledger's."""
        return [None] * len(ends)

    def _open(self) -> None:
        self._certificates = read_certificates(self._certificates_directory)
        self._offer()

    def _read(self, path: Path, unit: Unit, fence: str, content: Content) -> tuple[Lease, bytes]:
        container = read_container(path, self._vault)
        lease = Lease(
            lease_id=fence,
            unit=unit,
            content=content,
            keys=self._keys,
            items=_items(container, self._certificates),
            secrets=(container.scalar, container.irk),
            fence=fence,
        )
        return lease, container.point

    def _claim(self, unit: Unit) -> tuple[str, Content]:
        claimed = self._pool.claim(unit)
        # An unchanged directory is not looked through again for every fob that finds none.
        if claimed is None and (_appearance(self._directory) != self._seen or self._mended()):
            with self._scanning:  # an older look must not be the last to be offered
                self._offer()
            claimed = self._pool.claim(unit)
        if claimed is None:
            aside = self._pool.aside()
            also = f"; {len(aside)} are set aside, the first: {aside[0].reason}" if aside else ""
            raise SourceError(
                f"{self._directory}: no container is free{also}; add containers and place the fob "
                "again"
            )
        return claimed

    def _offer(self) -> None:
        # Looked at before the scan: what comes meanwhile is found at the next look.
        seen = _appearance(self._directory)
        if mended := self._mended():
            self._pool.take_back(mended)
        self._pool.offer(scan(self._directory))
        self._seen = seen

    def _mended(self) -> list[str]:
        """What was set aside and is another thing now; not what waits for a person."""
        return [
            one.content.fesn
            for one in self._pool.aside()
            if one.stamp
            and stamp(self._directory / f"{one.content.fesn}-{one.content.spid}") != one.stamp
        ]


def _wipe(lease: Lease) -> None:
    for secret in lease.secrets:
        secret.wipe()


def _appearance(directory: Path) -> object:
    """Something that is another thing when entries have come or gone since; None if unsure."""
    try:
        status = directory.stat()
    except OSError:
        return None
    # Of two changes within one tick of the file system's clock only one shows in the time.
    settled = time.time_ns() - status.st_mtime_ns > CLOCK_TICK_NS
    return (status.st_dev, status.st_ino, status.st_mtime_ns) if settled else object()


def _items(container: Container, certificates: StaticCertificates) -> tuple[Item, ...]:
    """The DGIs in the order in which they go to the card."""
    private_key, spid, device_certificate, irk = _own_items(container)
    return (
        private_key,
        spid,
        device_certificate,
        Item(Dgi.ICA, certificates.ica),
        Item(Dgi.CMS_ROOT, certificates.cms_root),
        irk,
    )


def _own_items(container: Container) -> tuple[Item, Item, Item, Item]:
    """Those that are this fob's own, in their order."""
    spid = container.content.spid.encode("ascii")  # the applet keeps the digits, not their value
    return (
        Item(Dgi.PRIVATE_KEY, container.scalar, under_dek=True),
        Item(Dgi.SPID, spid),
        Item(Dgi.DEVICE_CERTIFICATE, container.device_certificate),
        Item(Dgi.IRK, container.irk),
    )


def scan(directory: Path) -> list[Content]:
    """Names of all containers, sorted; none is opened.

    Raises:
        ContainerError: there is no such directory, something in it has not the name of a
            container, or two containers have one FESN.
    """
    contents = list_names(directory)
    # Sorted by name, two of one FESN stand side by side.
    for one, other in itertools.pairwise(contents):
        if one.fesn == other.fesn:
            raise _same_fesn(directory / f"{other.fesn}-{other.spid}")
    return contents


def check(
    directory: Path, certificates: Path, vault: Vault
) -> Iterator[tuple[Path, ContainerError | None]]:
    """Read both CA certificates and every container, and tell of each its first error."""
    for name in (ICA, CMS_ROOT):
        try:
            read_ca_certificate(certificates / name)
        except ContainerError as error:
            yield certificates / name, error
        else:
            yield certificates / name, None
    try:
        paths = list_visible(directory)
    except ContainerError as error:
        yield directory, error
        return
    holders = Counter(path.name.partition("-")[0] for path in paths)
    seen: dict[tuple[str, str], Path] = {}
    for path in paths:
        try:
            container = read_container(path, vault)
            try:
                digests = fingerprint(container.point, _own_items(container), b"")
            finally:
                container.scalar.wipe()
                container.irk.wipe()
            for what, value in (
                ("key", digests.key),
                ("SPID", container.content.spid.upper()),
                ("IRK", digests.irk),
            ):
                if (twin := seen.setdefault((what, value), path)) != path:
                    raise _same(path, what, twin)
            if holders[container.content.fesn] > 1:
                raise _same_fesn(path)
        except ContainerError as error:
            yield path, error
        else:
            yield path, None


def _same(path: Path, what: str, twin: Path) -> ContainerError:
    return ContainerError(
        path,
        f"it has the {what} of container {twin.name}, and each is issued once; remove one of them",
    )


def _same_fesn(path: Path) -> ContainerError:
    return ContainerError(
        path, "another container has this FESN, and each is issued once; remove one of the two"
    )
