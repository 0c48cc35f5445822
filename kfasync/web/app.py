"""What the page's process serves: pages, words, news; what has been; health and metrics."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from kfasync.web.changes import Changes
from kfasync.web.doorman import Doorman, knows_token
from kfasync.web.lead import routes as routes_of_lead
from kfasync.web.metrics import CONTENT_TYPE, Metrics
from kfasync.web.settings import Settings
from kfasync.web.stream import News, cursor_of, events
from kfasync.web.words import words_of_page

STATIC = Path(__file__).parent / "static"
_SCRIPTS = (
    "start",
    "page",
    "tiles",
    "news",
    "tones",
    "asking",
    "checks",
    "lead",
    "history",
    "charts",
    "record",
)
# Named one by one: nothing else of the machine is a file of the page.
_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/lead": ("lead.html", "text/html; charset=utf-8"),
    **{f"/{name}": (name, "text/css; charset=utf-8") for name in ("page.css", "lead.css")},
    **{f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8") for name in _SCRIPTS},
    **{
        f"/{name}": (name, "font/woff2")
        for name in ("barlow-condensed-500.woff2", "barlow-condensed-700.woff2")
    },
}


def make_app(settings: Settings, news: News) -> ASGIApp:
    """The application, behind its doorman."""
    changes = Changes(Path(settings.directory), settings.lead_pin)
    metrics = Metrics(news)
    words = msgspec.json.encode(words_of_page(settings.language, settings.station))

    async def stream(request: Request) -> Response:
        if not knows_token(request.headers, settings.token_sha256):
            return _no_token()
        if news.full:
            return PlainTextResponse("too many browsers\n", 503)
        cursor = cursor_of(request.headers.get("last-event-id", ""))
        return StreamingResponse(events(news, cursor), media_type="text/event-stream")

    async def change(request: Request) -> Response:
        if not knows_token(request.headers, settings.token_sha256):
            return _no_token()
        status, refused = await changes.make(await request.body())
        return JSONResponse({"refused": refused}, status)

    async def say(request: Request) -> Response:
        return Response(words, media_type="application/json")

    async def measure(request: Request) -> Response:
        if not knows_token(request.headers, settings.token_sha256):
            return _no_token()
        return Response(metrics.text(), headers={"content-type": CONTENT_TYPE})

    # These two say no more than a word, and whoever starts and watches processes has no token.
    async def health(request: Request) -> Response:
        if not news.hears:
            return PlainTextResponse("the station says nothing\n", 503)
        return PlainTextResponse("ok\n")

    async def ready(request: Request) -> Response:
        if not news.hears:
            return PlainTextResponse("the station says nothing\n", 503)
        if not news.board.since("", 0).tiles:
            return PlainTextResponse("no lane has reported\n", 503)
        return PlainTextResponse("ok\n")

    routes = [Route(path, _file(*what), methods=["GET"]) for path, what in _FILES.items()]
    routes += [
        Route("/events", stream, methods=["GET"]),
        Route("/words", say, methods=["GET"]),
        Route("/metrics", measure, methods=["GET"]),
        Route("/health", health, methods=["GET"]),
        Route("/ready", ready, methods=["GET"]),
        Route("/changes", change, methods=["POST"]),
        *routes_of_lead(settings),
    ]
    return Doorman(Starlette(routes=routes), settings)


def _file(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = (STATIC / name).read_bytes()

    async def serve(request: Request) -> Response:
        return Response(content, headers={"content-type": kind})

    return serve


def _no_token() -> Response:
    return PlainTextResponse("the token is missing or wrong\n", 401)
