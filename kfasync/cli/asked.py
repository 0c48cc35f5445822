"""What a person asks of a station that runs, through its socket."""

from kfasync.errors import LaneError
from kfasync.station.batch import Check
from kfasync.station.control import Answer, LaneLine, Request
from kfasync.station.decisions import ResolvedAs
from kfasync.station.feed import Feed
from kfasync.station.follower import Notice
from kfasync.station.inspector import Inspector
from kfasync.station.station import Station
from kfasync.station.words import ENGLISH, why
from kfasync.web.page import Page


async def answer(
    station: Station,
    feed: Feed,
    page: Page | None,
    request: Request,
    *,
    inspector: Inspector | None = None,
) -> Answer:
    """Do it and say how the lanes stand after that; every decision is a record.

    Args:
        inspector: who goes through the check list; None where nobody does.

    Raises:
        KfError: it is not done, and the sentence says why.
    """
    lanes = {event.slot: event for event in feed.lanes()}
    said = (request.by, request.reason)
    if request.resume is not None:
        station.resume(request.resume)
        reader = lanes[request.resume].reader
        await station.decisions.of_lane(request.resume, reader, "resumed", *said)
    if request.acknowledge is not None:
        if page is None or not page.see(request.acknowledge, request.attempt):
            raise LaneError(f"lane {request.acknowledge} shows another result by now")
        reader = lanes[request.acknowledge].reader
        await station.decisions.of_lane(request.acknowledge, reader, "acknowledged", *said)
    if request.resolve is not None:
        resolved_as = ResolvedAs(request.resolved_as)
        await station.decisions.resolve(request.resolve, resolved_as, request.reason)
    if request.warning is not None:
        feed.publish(Notice("page", request.warning, warning=True))
    checks: list[Check] = []
    if request.check:
        if inspector is None:
            raise LaneError("this station has no check list")
        checks = list(await inspector.look(request.by))
    return Answer(
        [
            LaneLine(event.slot, event.reader, event.state.value, why(event, ENGLISH))
            for event in feed.lanes()
        ],
        checks,
    )
