"""What a person changes from the page: said to the station through its control socket.

An operator acknowledges. To resume a lane or to decide on a fob takes the line lead's PIN, each
time, and a reason. The PIN ends here: the station hears why, and that it was said at the page.
"""

import asyncio
from pathlib import Path
from typing import Literal

import msgspec

from kfasync.errors import KfError
from kfasync.station.control import Request, ask
from kfasync.station.pin import Lockout

BY = "page"
REASON_MAX = 200


class Acknowledge(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="acknowledge"):
    """An operator has seen the result of that attempt."""

    slot: int
    attempt: str


class Lead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The line lead decides."""

    pin: str
    reason: str


class Resume(Lead, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="resume"):
    """A stopped lane goes on."""

    slot: int


class Resolve(Lead, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="resolve"):
    """What becomes of a fob in doubt: `recoverable` or `fail`."""

    uid: str
    resolved_as: Literal["recoverable", "fail"]


class Changes:
    """Carries out changes.

    Args:
        directory: the data directory.
        lead_pin: the slow hash of the PIN; "" where nobody has one.
    """

    def __init__(self, directory: Path, lead_pin: str) -> None:
        self._directory = directory
        self._lockout = Lockout(lead_pin, directory) if lead_pin else None

    async def make(self, body: bytes) -> tuple[int, str]:
        """Make a change; the HTTP status, and why not, which is "" where it was done."""
        try:
            change = msgspec.json.decode(body, type=Acknowledge | Resume | Resolve)
        except msgspec.DecodeError:
            return 400, "not understood"
        if isinstance(change, Acknowledge):
            request = Request(acknowledge=change.slot, attempt=change.attempt, by=BY)
        else:
            refused = await self._refusal(change)
            if refused is not None:
                return refused
            request = _of_lead(change)
        try:
            await asyncio.to_thread(ask, self._directory, request)
        except KfError as error:
            return 409, str(error)
        return 200, ""

    async def _refusal(self, change: Resume | Resolve) -> tuple[int, str] | None:
        if self._lockout is None:
            return 403, "no PIN is configured: `kfasync config pin` makes web.lead_pin"
        reason = change.reason.strip()
        if not reason or len(reason) > REASON_MAX or not reason.isprintable():
            return 400, f"a reason is one line of up to {REASON_MAX} letters"
        # In a thread, and one at a time: a slow hash must not hold up what browsers are told.
        wrong = await asyncio.to_thread(self._lockout.check, change.pin)
        if not wrong:
            return None
        try:
            await asyncio.to_thread(ask, self._directory, Request(warning=wrong))
        except KfError:
            return 403, wrong  # nobody is there to hear it
        return 403, wrong


def _of_lead(change: Resume | Resolve) -> Request:
    reason = change.reason.strip()
    if isinstance(change, Resume):
        return Request(resume=change.slot, by=BY, reason=reason)
    return Request(resolve=change.uid, resolved_as=change.resolved_as, by=BY, reason=reason)
