"""The names under which the statements get their values."""

import datetime

from kfasync.model import Lease, Unit


def of_unit(unit: Unit) -> dict[str, str]:
    """Those of a unit."""
    return {
        "of_uid": unit.uid.hex(),
        "of_aid": unit.aid.hex(),
        "of_profile": unit.profile,
    }


def of_lease(lease: Lease) -> dict[str, str | int]:
    """Those of a lease, as it stands in the ledger."""
    return {
        "of_fesn": lease.content.fesn,
        "of_lease_id": lease.fence,
        "of_uid": lease.unit.uid.hex(),
    }


def now() -> str:
    """The wall clock, in UTC, by RFC 3339."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
