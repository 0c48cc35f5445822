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
)

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

    async def fetch(self, unit: Unit) -> Parcel:
        """An empty parcel: which container it is, the pool decides when it is needed."""
        return Parcel(unit)

    def adopt(self, parcel: Parcel) -> Lease:
        """Claim a container for the unit and read it; the same one while its turn is open.

        Raises:
            ContainerError: the claimed container is wrong. It stays claimed, and the caller
                gives it back or sets it aside.
            SourceError: no container is free, and a second look at the directory finds none.
        """
        unit = parcel.unit
        fence, content = self._claim(unit)
        path = self._directory / f"{content.fesn}-{content.spid}"
        container = read_container(path, self._vault)
        return Lease(
            lease_id=fence,
            unit=unit,
            content=content,
            keys=self._keys,
            items=_items(container, self._certificates),
            secrets=(container.scalar, container.irk),
            fence=fence,
        )

    async def tell(self, ends: Sequence[End]) -> Sequence[SourceError | None]:
        """Nobody has to hear of an end: the pool is the ledger's."""
        return [None] * len(ends)

    def _open(self) -> None:
        self._certificates = read_certificates(self._certificates_directory)
        self._offer()

    def _claim(self, unit: Unit) -> tuple[str, Content]:
        claimed = self._pool.claim(unit)
        # An unchanged directory is not looked through again for every fob that finds none.
        if claimed is None and _appearance(self._directory) != self._seen:
            with self._scanning:  # an older look must not be the last to be offered
                self._offer()
            claimed = self._pool.claim(unit)
        if claimed is None:
            raise SourceError(
                f"{self._directory}: no container is free; add containers and place the fob again"
            )
        return claimed

    def _offer(self) -> None:
        # Looked at before the scan: what comes meanwhile is found at the next look.
        seen = _appearance(self._directory)
        self._pool.offer(scan(self._directory))
        self._seen = seen


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
    spid = container.content.spid.encode("ascii")  # the applet keeps the digits, not their value
    return (
        Item(Dgi.PRIVATE_KEY, container.scalar, under_dek=True),
        Item(Dgi.SPID, spid),
        Item(Dgi.DEVICE_CERTIFICATE, container.device_certificate),
        Item(Dgi.ICA, certificates.ica),
        Item(Dgi.CMS_ROOT, certificates.cms_root),
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
    for path in paths:
        try:
            container = read_container(path, vault)
            container.scalar.wipe()
            container.irk.wipe()
            if holders[container.content.fesn] > 1:
                raise _same_fesn(path)
        except ContainerError as error:
            yield path, error
        else:
            yield path, None


def _same_fesn(path: Path) -> ContainerError:
    return ContainerError(
        path, "another container has this FESN, and each is issued once; remove one of the two"
    )
