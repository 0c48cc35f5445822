"""What comes into the pool: content that was never in it, its secrets sealed at rest.

Content is what it is: two packages with other names are the same when they share the public key
of the device, the SPID or the IRK.
"""

import hashlib
import hmac
import os
import sqlite3
from collections.abc import Sequence

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kfasync.contracts.crypto import CmacKey
from kfasync.errors import ConfigError, SourceError
from kfasync.klms.store import Store
from kfasync.secret import Secret

SCALAR_SIZE, IRK_SIZE = 32, 16  # P-256; Bluetooth Core Specification 5.4, vol 3, part H, 2.4.2.1
_NONCE_SIZE = 12
_PROOF = b"kfasync klms"

# Derivation constants of our own. KDF3 begins with a counter below 4, so that no UID meets them.
_AT_REST = b"kfasync klms secrets at rest"
_IRK = b"kfasync klms digest of the irk"


class Piece(msgspec.Struct, frozen=True):
    """The content of one fob."""

    fesn: str
    spid: str
    device_certificate: bytes
    scalar: Secret
    irk: Secret


class Authorities(msgspec.Struct, frozen=True):
    """The two CA certificates that every fob of a profile gets, as DER."""

    ica: bytes
    cms_root: bytes


class Stock:
    """The pool's secrets, under keys that the master key gives.

    Raises:
        ConfigError: the pool was made under another master key.
    """

    def __init__(self, store: Store, master: CmacKey) -> None:
        self._store = store
        self._aead = AESGCM(master.cmac(_AT_REST))
        self._irk_key = master.cmac(_IRK)
        with store.transaction() as db:
            row = db.execute("SELECT value FROM about WHERE name = 'master'").fetchone()
            if row is None:
                sealed = self._seal(_PROOF, b"")
                db.execute("INSERT INTO about VALUES ('master', ?)", (sealed,))
                return
        try:
            self._open(row["value"], b"")
        except InvalidTag:
            raise ConfigError(
                "keys", "the pool was made under another master key; configure that one"
            ) from None

    def add(self, profile: str, authorities: Authorities, pieces: Sequence[Piece]) -> None:
        """Add a batch, all of it or nothing. The profile's certificates are these from now on.

        Raises:
            SourceError: some of it is in the pool, or in the batch twice.
        """
        with self._store.transaction() as db:
            db.execute(
                "INSERT INTO profile VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
                " SET ica = excluded.ica, cms_root = excluded.cms_root",
                (profile, authorities.ica, authorities.cms_root),
            )
            known = [twin for piece in pieces if (twin := self._add(db, profile, piece))]
            if known:
                raise SourceError(
                    f"nothing was imported: {len(known)} of {len(pieces)} packages are in the pool "
                    f"already ({known[0]}); remove them from the directory"
                )

    def _add(self, db: sqlite3.Connection, profile: str, piece: Piece) -> str | None:
        """Add one, or say what it has in common with which other."""
        key_digest, irk_digest = _key_digest(piece.scalar), self._irk_digest(piece.irk)
        twin = db.execute(
            "SELECT fesn, spid, key_digest, irk_digest FROM content"
            " WHERE fesn = ? OR spid = ? OR key_digest = ? OR irk_digest = ?",
            (piece.fesn, piece.spid, key_digest, irk_digest),
        ).fetchone()
        if twin is not None:
            shared = (
                ("FESN", twin["fesn"] == piece.fesn),
                ("SPID", twin["spid"].upper() == piece.spid.upper()),
                ("device key", twin["key_digest"] == key_digest),
                ("IRK", twin["irk_digest"] == irk_digest),
            )
            what = " and ".join(name for name, same in shared if same)
            return f"{piece.fesn}: same {what} as {twin['fesn']}"
        secrets = self._seal(
            bytes(piece.scalar.expose()) + bytes(piece.irk.expose()), piece.fesn.encode()
        )
        certificate = piece.device_certificate
        db.execute(
            "INSERT INTO content (profile, fesn, spid, key_digest, irk_digest,"
            " device_certificate, secrets) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (profile, piece.fesn, piece.spid, key_digest, irk_digest, certificate, secrets),
        )
        return None

    def secrets(self, fesn: str, sealed: bytes) -> tuple[Secret, Secret]:
        """Scalar and IRK of one content."""
        opened = self._open(sealed, fesn.encode())
        return Secret(opened[:SCALAR_SIZE]), Secret(opened[SCALAR_SIZE:])

    def _irk_digest(self, irk: Secret) -> bytes:
        return hmac.digest(self._irk_key, irk.expose(), "sha256")

    def _seal(self, plain: bytes, name: bytes) -> bytes:
        nonce = os.urandom(_NONCE_SIZE)
        return nonce + self._aead.encrypt(nonce, plain, name)

    def _open(self, sealed: bytes, name: bytes) -> bytes:
        return self._aead.decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], name)


def _key_digest(scalar: Secret) -> bytes:
    """SHA-256 of the public key as SubjectPublicKeyInfo, computed from the scalar."""
    private = ec.derive_private_key(int.from_bytes(scalar.expose()), ec.SECP256R1())
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()
