"""Checks of what leases hold: it can be read, it fits together, and no two of them are the same.

Both lease some contents of their own, and are passed on all that the run has leased: a defect of
every third content is not in the first.
"""

from collections.abc import Sequence

from kfasync.acceptance.check import check
from kfasync.acceptance.observed import Observed
from kfasync.acceptance.subject import NONE, Finding
from kfasync.acceptance.trial import Trial

AT_ONCE = 6  # contents that are leased side by side, and so all different


def lease_several(trial: Trial) -> None:
    """Lease as many contents as there have to be for a judgement, and give them back."""
    session = trial.open()
    leases = [session.lease(trial.unit()) for _ in range(AT_ONCE)]
    for lease in leases:
        session.abort(lease.lease_id, NONE)
    session.close()


def well_formed(contents: Sequence[Observed]) -> None:
    """Raise the trouble of the first content that has any."""
    bad = [one for one in contents if one.trouble is not None]
    if bad:
        others = len({one.fesn for one in bad}) - 1
        more = f", and so with {others} more contents of {len(contents)} leases" if others else ""
        raise Finding(f"{bad[0].fesn}: {bad[0].trouble}{more}")


def none_twice(contents: Sequence[Observed]) -> None:
    """Raise a finding when two serial numbers share what makes a content this one."""
    owner: dict[tuple[str, str], str] = {}
    for one in contents:
        for name, digest in one.same_as.items():
            first = owner.setdefault((name, digest), one.fesn)
            if first != one.fesn:
                raise Finding(f"{first} and {one.fesn} have the same {name}")


CHECKS = (
    check(
        "content-well-formed",
        "what is wrong with it is found on the card otherwise, when it is too late",
        lease_several,
        contents=AT_ONCE,
        judgement=well_formed,
    ),
    check(
        "no-content-twice",
        "another serial number does not make it another content",
        lease_several,
        contents=AT_ONCE,
        judgement=none_twice,
    ),
)
