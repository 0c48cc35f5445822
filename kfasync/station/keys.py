"""``[source.keys]`` and ``[shift.keys]`` of the configuration: one static key set."""

import re

import msgspec

from kfasync.contracts.crypto import Aes
from kfasync.core.scp03 import key_check_value
from kfasync.model import KeyCheckValues, KeySet
from kfasync.secret import Secret


class KcvSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``kcv`` of a key set: six hex digits each."""

    enc: str
    mac: str
    dek: str

    def __post_init__(self) -> None:
        for name in ("enc", "mac", "dek"):
            if not re.fullmatch("[0-9A-Fa-f]{6}", getattr(self, name)):
                raise ValueError(f"{name} is not six hex digits, the first 3 bytes of a check")


class KeysSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One static key set, as development samples and reference fobs have it."""

    enc: Secret
    mac: Secret
    dek: Secret
    kcv: KcvSection | None = None

    def __post_init__(self) -> None:
        sizes = {len(self.enc), len(self.mac), len(self.dek)}
        if len(sizes) > 1 or not sizes <= {16, 24, 32}:
            raise ValueError("enc, mac and dek are not all 16, all 24 or all 32 bytes long")

    def key_set(self, kvn: int, aes: Aes) -> KeySet:
        """The key set, with the check values that were given or else its own."""
        if self.kcv is not None:
            kcv = KeyCheckValues(*(bytes.fromhex(v) for v in msgspec.structs.astuple(self.kcv)))
        else:
            keys = (self.enc, self.mac, self.dek)
            kcv = KeyCheckValues(*(key_check_value(aes.key(key)) for key in keys))
        return KeySet(kvn, self.enc, self.mac, self.dek, kcv)
