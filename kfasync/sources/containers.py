"""Fob content from a directory of containers.

    <containers>/<FESN>-<SPID>/...     see :mod:`kfasync.sources.container`
    <certificates>/...

The directory holds nothing but containers; only hidden names (a leading dot) are overlooked.
So a container may be copied in under a hidden name and renamed when it is whole.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import anyio.to_thread

from kfasync.contracts.crypto import Vault
from kfasync.contracts.sources import Pool
from kfasync.core.dgi import Dgi
from kfasync.errors import ContainerError, SourceError
from kfasync.model import Content, Item, KeySet, Lease, Outcome, Touched, Unit
from kfasync.secret import Secret
from kfasync.sources.container import (
    CMS_ROOT,
    ICA,
    Container,
    StaticCertificates,
    list_visible,
    parse_name,
    read_ca_certificate,
    read_certificates,
    read_container,
)


class ContainerSource:
    """A :class:`kfasync.contracts.sources.Source` over a directory of containers.

    The pool keeps who has which container. Only claims go through here: what becomes of a
    claim is written by the ledger itself, in the transaction of the fob's record, so that
    no crash comes between the two.
    """

    def __init__(
        self,
        directory: Path,
        certificates: StaticCertificates,
        keys: KeySet,
        pool: Pool,
        vault: Vault,
    ) -> None:
        self._directory = directory
        self._certificates = certificates
        self._keys = keys
        self._pool = pool
        self._vault = vault

    @classmethod
    def open(
        cls, directory: Path, certificates: Path, keys: KeySet, pool: Pool, vault: Vault
    ) -> Self:
        """Read the CA certificates, find the containers and offer them to the pool; blocks.

        Raises:
            ContainerError: a CA certificate or the name of a container is wrong.
        """
        source = cls(directory, read_certificates(certificates), keys, pool, vault)
        pool.offer(scan(directory))
        return source

    async def lease(self, unit: Unit) -> Lease:
        """Claim a container for this unit and read it; the same one while its turn is open.

        Raises:
            ContainerError: the claimed container is wrong. It stays claimed, and the caller
                gives it back or puts it aside.
            SourceError: no container is free, and a second look at the directory finds none.
        """
        return await anyio.to_thread.run_sync(self._lease, unit)

    async def commit(self, lease: Lease, outcome: Outcome) -> None:
        """Forget the fob's secrets; the static keys stay, for every fob has the same."""
        _wipe(lease)

    async def abort(self, lease: Lease, touched: Touched) -> None:
        """Forget the fob's secrets; a later lease reads them again."""
        _wipe(lease)

    def _lease(self, unit: Unit) -> Lease:
        lease_id, content = self._claim(unit)
        path = self._directory / f"{content.fesn}-{content.spid}"
        container = read_container(path, self._vault)
        items = _items(container, self._certificates)
        return Lease(lease_id=lease_id, unit=unit, content=content, keys=self._keys, items=items)

    def _claim(self, unit: Unit) -> tuple[str, Content]:
        claimed = self._pool.claim(unit)
        if claimed is None:
            contents = scan(self._directory)
            self._pool.offer(contents)
            claimed = self._pool.claim(unit)
            if claimed is None:
                raise SourceError(
                    f"{self._directory}: none of {len(contents)} containers is free; "
                    "add containers and place the fob again"
                )
        return claimed


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


def _wipe(lease: Lease) -> None:
    for item in lease.items:
        if isinstance(item.value, Secret):
            item.value.wipe()


def scan(directory: Path) -> list[Content]:
    """Names of all containers, sorted; none is opened.

    Raises:
        ContainerError: there is no such directory, something in it has not the name of a
            container, or two containers have one FESN.
    """
    contents: dict[str, Content] = {}
    for path in list_visible(directory):
        content = parse_name(path)
        if content.fesn in contents:
            raise _same_fesn(path)
        contents[content.fesn] = content
    return list(contents.values())


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
