"""What content is, whatever it is called: digests that tell two pieces of content apart."""

import hashlib
import hmac
from collections.abc import Iterable

from kfasync.contracts.crypto import Vault
from kfasync.core.dgi import Dgi
from kfasync.model import Fingerprint, Item
from kfasync.secret import Secret

# SubjectPublicKeyInfo of an uncompressed P-256 point, up to the point (RFC 5480, 2).
_SPKI = bytes.fromhex("3059301306072A8648CE3D020106082A8648CE3D030107034200")
# PrivateKeyInfo of a P-256 scalar without its public key, up to the scalar (RFC 5208, RFC 5915).
_PKCS8 = bytes.fromhex("3041020100301306072A8648CE3D020106082A8648CE3D030107042730250201010420")
# These are every fob's, and may be renewed.
_SHARED = frozenset((Dgi.ICA, Dgi.CMS_ROOT))


def public_point(scalar: Secret, vault: Vault) -> bytes:
    """The public point of a scalar, 04 || X || Y; the scalar does not leave the vault.

    Raises:
        ValueError: it is not a scalar of P-256.
    """
    pkcs8 = vault.secret(len(_PKCS8) + len(scalar))
    try:
        view = pkcs8.writable()
        view[: len(_PKCS8)] = _PKCS8
        view[len(_PKCS8) :] = scalar.expose()
        copy, point = vault.scalar(pkcs8)
        copy.wipe()
    finally:
        pkcs8.wipe()
    return point


def fingerprint(point: bytes, items: Iterable[Item], key: bytes) -> Fingerprint:
    """The fingerprint of content.

    Args:
        point: the public point of the fob's key, 04 || X || Y.
        items: everything that goes to the fob.
        key: the ledger's own, for the digests of what is secret.

    Raises:
        ValueError: there is no IRK among the items.
    """
    every = hmac.new(key, digestmod="sha256")
    irk: str | None = None
    for item in sorted(items, key=lambda item: item.dgi):
        if item.dgi in _SHARED:
            continue
        value = item.value.expose() if isinstance(item.value, Secret) else item.value
        every.update(item.dgi.to_bytes(2) + len(item.value).to_bytes(4))
        every.update(value)
        if item.dgi == Dgi.IRK:
            irk = hmac.new(key, value, "sha256").hexdigest()
    if irk is None:
        raise ValueError("content without an IRK")
    return Fingerprint(
        key=hashlib.sha256(_SPKI + point).hexdigest(), irk=irk, items=every.hexdigest()
    )
