"""The lead's page: where a browser asks for what has become of fobs. Nothing is changed here."""

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from kfasync.errors import LedgerError
from kfasync.ledger.history import History
from kfasync.web.doorman import knows_token
from kfasync.web.past import Busy, Past
from kfasync.web.settings import Settings

_SEARCH = re.compile(r"[0-9A-Z]{0,40}")
_BETWEEN = re.compile(r"[\s:-]")  # a UID may be written in pairs
_NUMBER = re.compile(r"[0-9]{1,18}")
DAYS = ("1", "7", "30")


def routes(settings: Settings) -> list[Route]:
    """What is served below ``/lead/``, for whoever knows the token."""
    past = Past(Path(settings.directory), settings.language)

    async def answer(
        request: Request, look: Callable[[History], msgspec.Struct | None]
    ) -> Response:
        if not knows_token(request.headers, settings.token_sha256):
            return PlainTextResponse("the token is missing or wrong\n", 401)
        try:
            found = await past.look(look)
        except Busy:
            return PlainTextResponse("too many ask at this moment\n", 503)
        except LedgerError as error:
            return PlainTextResponse(f"{error}\n", 503)
        if found is None:
            return PlainTextResponse("there is no record of that number\n", 404)
        return Response(found, media_type="application/json")

    async def history(request: Request) -> Response:
        search = _BETWEEN.sub("", request.query_params.get("search", "")[:80]).upper()
        before = request.query_params.get("before", "")
        if not _SEARCH.fullmatch(search):
            return PlainTextResponse("a UID or FESN is up to 40 letters and digits\n", 400)
        if before and not _NUMBER.fullmatch(before):
            return PlainTextResponse("`before` is the number of a record\n", 400)
        return await answer(request, past.lines(search, int(before) if before else None))

    async def yields(request: Request) -> Response:
        days = request.query_params.get("days", "1")
        if days not in DAYS:
            return PlainTextResponse(f"`days` is one of {', '.join(DAYS)}\n", 400)
        return await answer(request, past.yields(int(days)))

    async def stages(request: Request) -> Response:
        return await answer(request, past.stages)

    async def record(request: Request) -> Response:
        number = request.path_params["number"]
        if not _NUMBER.fullmatch(number):
            return PlainTextResponse("there is no record of that number\n", 404)
        return await answer(request, past.record(int(number)))

    return [
        Route("/lead/history", history, methods=["GET"]),
        Route("/lead/yield", yields, methods=["GET"]),
        Route("/lead/stages", stages, methods=["GET"]),
        Route("/lead/records/{number}", record, methods=["GET"]),
    ]
