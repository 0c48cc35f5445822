"""The answer to a lease request: keys derived, content found, key block sealed."""

import datetime
from typing import Any

import msgspec

from kfasync.contracts.klms import (
    SUITE,
    ContainerFacts,
    Kcv,
    KeysetFacts,
    LeaseRequest,
    PlainItem,
    canonical,
    info,
)
from kfasync.contracts.klms_problems import Problem
from kfasync.klms.faults import Fault, Faults
from kfasync.klms.kdf3 import Kdf3
from kfasync.klms.leases import Ask, Grant, Leases
from kfasync.klms.refusal import ProblemError
from kfasync.klms.seal import key_block, recipient_key, seal
from kfasync.klms.stock import Stock
from kfasync.model import KeySet

# The plain DGIs of the key fob applet (docs/klms.md).
_SPID, _DEVICE_CERTIFICATE, _ICA, _CMS_ROOT = "A001", "A002", "A004", "A005"
_AN_HOUR = datetime.timedelta(hours=1)
_CUT = 24  # bytes of a truncated seal: all of the tag and some of the text


class Answers:
    """Makes the answers to lease requests.

    Args:
        ttl_s: of a lease whose request asks for nothing.
        ttl_max_s: the most that a request gets.
    """

    def __init__(
        self,
        leases: Leases,
        stock: Stock,
        kdf3: Kdf3,
        faults: Faults,
        *,
        ttl_s: int,
        ttl_max_s: int,
    ) -> None:
        self._leases = leases
        self._stock = stock
        self._kdf3 = kdf3
        self._faults = faults
        self._ttl_s = ttl_s
        self._ttl_max_s = ttl_max_s

    def server_time(self) -> str:
        """Now, as RFC 3339 has it."""
        now = datetime.datetime.now(datetime.UTC)
        if self._faults.strikes(Fault.CLOCK_OFF):
            now += _AN_HOUR
        return now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def lease(self, station: str, key: str, request: LeaseRequest) -> tuple[bytes, bool]:
        """The body of the answer, and whether the lease is new.

        Args:
            station: the one that the client certificate names.
            key: the Idempotency-Key.

        Raises:
            ProblemError: there is no lease; checked in the order of docs/klms.md.
        """
        try:
            recipient = recipient_key(request.recipient.public_key)
        except ValueError:
            raise ProblemError(
                Problem.INVALID_REQUEST, "$.recipient.public_key is not a point of P-256"
            ) from None
        if request.station != station:
            raise ProblemError(Problem.STATION_MISMATCH)
        if request.recipient.suite != SUITE:
            raise ProblemError(Problem.SUITE_UNSUPPORTED)
        unit = request.unit
        ttl_s = min(request.ttl_s or self._ttl_s, self._ttl_max_s)
        ask = Ask(station, key, unit.uid, unit.aid, request.profile, ttl_s)
        grant = self._leases.lease(ask)
        keys = self._kdf3.derive(bytes.fromhex(unit.uid))
        plain = self._plain(grant, keys, unit.uid)
        bound = info(grant.lease_id, bytes.fromhex(plain["uid"]), station, canonical(plain))
        scalar, irk = self._stock.secrets(grant.fesn, grant.secrets)
        sealed = seal(key_block(keys, scalar, irk), recipient, bound)
        replace = msgspec.structs.replace
        if self._faults.strikes(Fault.WRONG_SUITE):
            sealed = replace(sealed, suite="hpke-p256-sha256-aes256gcm")
        if self._faults.strikes(Fault.TRUNCATED):
            sealed = replace(sealed, ciphertext=sealed.ciphertext[:-_CUT])
        if self._faults.strikes(Fault.BIT_FLIP):
            sealed = replace(sealed, ciphertext=self._faults.flip(sealed.ciphertext))
        return msgspec.json.encode(plain | {"sealed": sealed}), grant.new

    def _plain(self, grant: Grant, keys: KeySet, uid: str) -> dict[str, Any]:
        if self._faults.strikes(Fault.WRONG_UID):
            uid = bytes(byte ^ 0xFF for byte in bytes.fromhex(uid)).hex().upper()
        kcv = (value.hex().upper() for value in (keys.kcv.enc, keys.kcv.mac, keys.kcv.dek))
        items = (
            PlainItem(_SPID, grant.spid.encode("ascii")),
            PlainItem(_DEVICE_CERTIFICATE, grant.device_certificate),
            PlainItem(_ICA, grant.ica),
            PlainItem(_CMS_ROOT, grant.cms_root),
        )
        return {
            "lease_id": grant.lease_id,
            "uid": uid,
            "ttl_s": 0 if self._faults.strikes(Fault.EXPIRED) else grant.ttl_s,
            "server_time": self.server_time(),
            "keyset": KeysetFacts(keys.kvn, Kcv(*kcv)),
            "container": ContainerFacts(grant.fesn, grant.spid, items),
        }
