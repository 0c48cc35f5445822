"""Who is let in to the page, and what each answer forbids a browser to do.

Any web page that an operator's browser shows can send requests to this machine, under a name that
it makes point here. So the one Host must be one of ours, and the browser must say that the request
comes from this page itself; another port of the same host is somebody else.
"""

import hashlib
import hmac
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kfasync.web.settings import Settings

BODY_MAX = 4096
_HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), usb=(), serial=(), hid=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


class Doorman:
    """Stands in front of an application."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = settings.hosts
        self._scheme = settings.scheme

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say why not."""
        assert scope["type"] == "http"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refused = self._refusal(scope)
        if refused is None:
            await self._app(scope, receive, send_with_headers)
            return
        status, why = refused
        # Its body is not read, so nothing more can come over this connection.
        answer = PlainTextResponse(f"{why}\n", status, {"connection": "close"})
        await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return 421, "this is no name of the page; web.names has those that it answers to"
        if any(one not in ("same-origin", "none") for one in headers.getlist("sec-fetch-site")):
            return 403, "asked by another page"
        origins = headers.getlist("origin")
        if any(one != f"{self._scheme}://{hosts[0].lower()}" for one in origins):
            return 403, "asked by another page"
        method = scope["method"]
        if method in ("GET", "HEAD"):
            return None
        if method != "POST":
            return 405, "only GET and POST"
        if len(origins) != 1:
            return 403, "a change says who asks for it, with Origin"
        if headers.getlist("content-type") != ["application/json"]:
            return 415, "a change is application/json"
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            return 411, "a change says how long it is"
        if len(length) > len(str(BODY_MAX)) or int(length) > BODY_MAX:
            return 413, f"a change is {BODY_MAX} bytes at most"
        return None


def knows_token(headers: Headers, token_sha256: str) -> bool:
    """Whether the request has the token; nobody has to where there is none."""
    if not token_sha256:
        return True
    kind, _, said = headers.get("authorization", "").partition(" ")
    try:
        token = bytes.fromhex(said)
    except ValueError:
        return False
    found = hashlib.sha256(token).hexdigest()
    return kind == "Bearer" and hmac.compare_digest(found, token_sha256)
