"""One HTTP exchange with the key server: one TLS context, one pool of connections, small bodies.

httpx's synchronous transport in a worker thread: it takes two thirds of the CPU of the asynchronous
one, hop included, and TLS trouble looks the same whichever loop the station runs on.
"""

import datetime
import ssl
import time
from collections.abc import Callable, Mapping

import anyio
import httpx
import msgspec
from anyio import to_thread

from kfasync.contracts.klms import JSON
from kfasync.contracts.klms_problems import Problem
from kfasync.errors import SourceUnavailableError, TrustError
from kfasync.sources.klms.credentials import (
    Credentials,
    Files,
    days_left,
    read_credentials,
    require_station,
)
from kfasync.sources.klms.refusal import refusal
from kfasync.sources.klms.trust import explain

BODY_MAX = 64 * 1024  # docs/klms.md: no answer is longer
_CONNECTIONS = 16
_GRACE_S = 0.1  # httpx has the first word: what it gives up it also closes
_WARN_S = 3600.0  # how often the dates of the certificates are looked at
_KEEP_ALIVE_S = 240.0  # shorter than servers keep one: nobody else closes it while it is used

_STEPS = ("connect", "read", "write", "pool")
_HEADERS = {"Accept": JSON, "Accept-Encoding": "identity", "User-Agent": "kfasync"}


class Reply(msgspec.Struct, frozen=True):
    """An answer, whatever its status; ``retry_after_s`` is 0 where the header says nothing."""

    status: int
    body: bytes
    retry_after_s: float


class _Urls(dict[str, httpx.URL]):
    """The few URLs there are, by path: taking one to pieces costs a tenth of a request."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def __missing__(self, path: str) -> httpx.URL:
        self[path] = url = httpx.URL(f"{self._base}{path}")
        return url


class Link:
    """Sends requests, over a transport that is made anew when the certificates change.

    Args:
        tell: told of trouble with the certificates to come, and "" when there is none.
    """

    def __init__(self, url: str, station: str, files: Files, tell: Callable[[str], None]) -> None:
        self._url = url.rstrip("/")
        self._station = station
        self._files = files
        self._tell = tell
        self._stamp = files.stamp()
        self._unusable = ""
        self._urls = _Urls(self._url)
        self._credentials = self._read()
        self._transport = _transport(self._credentials)
        self._busy: dict[httpx.HTTPTransport, int] = {}
        self._limiter: anyio.CapacityLimiter | None = None  # made on the loop that sends
        self._server_ends: datetime.datetime | None = None
        self._server_seen = False
        self.warn()

    def close(self) -> None:
        """Close every connection; may be called again."""
        self._transport.close()

    async def send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        """One request and its answer.

        Raises:
            SourceUnavailableError: no connection, or no whole answer in time.
            TrustError: TLS was refused, by either side.
            KlmsError: an answer that is longer than any, or sends elsewhere.
        """
        self._renew()
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_CONNECTIONS)
        transport = self._transport
        self._busy[transport] = self._busy.get(transport, 0) + 1
        try:
            # Each step has a time of its own in httpx, and all of them have this one.
            with anyio.fail_after(timeout_s + _GRACE_S):
                reply, server_ends = await to_thread.run_sync(
                    self._exchange,
                    *(transport, method, path, body, headers, timeout_s),
                    abandon_on_cancel=True,
                    limiter=self._limiter,
                )
        except (TimeoutError, httpx.TimeoutException):
            raise SourceUnavailableError(
                f"key server {self._url} does not answer (not within {timeout_s:.1f} s)"
            ) from None
        except httpx.TransportError as error:
            raise explain(error, self._url, self._files) from error
        finally:
            self._leave(transport)
        # None also of an answer that came before the dates were to be looked at again.
        if server_ends is not None and not self._server_seen:
            self._server_seen, before = True, self._server_ends
            self._server_ends = server_ends
            if before != server_ends:
                self._warn_of_dates()
        return reply

    # ------------------------------------------------------------------ in a worker thread

    def _exchange(
        self,
        transport: httpx.HTTPTransport,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> tuple[Reply, datetime.datetime | None]:
        request = httpx.Request(
            method,
            self._urls[path],
            content=body or None,
            headers={**_HEADERS, **headers},
            extensions={"timeout": dict.fromkeys(_STEPS, timeout_s)},
        )
        answer = transport.handle_request(request)
        try:
            held = self._body(answer)
            server_ends = None if self._server_seen else _server_end(answer)
        finally:
            answer.close()
        if answer.is_redirect:
            raise refusal(
                self._url,
                Problem.ANSWER_MALFORMED,
                f"it is a redirect ({answer.status_code}), and those are not followed; correct "
                "source.url",
            )
        if "content-encoding" in answer.headers:
            raise refusal(self._url, Problem.ANSWER_MALFORMED, "its body is encoded")
        after = answer.headers.get("retry-after", "")
        after_s = float(after[:6]) if after[:6].isdecimal() else 0.0
        return Reply(answer.status_code, held, after_s), server_ends

    def _body(self, answer: httpx.Response) -> bytes:
        """The whole body, as it comes, unless it is longer than any."""
        held = bytearray()
        for chunk in answer.iter_raw():
            held += chunk
            if len(held) > BODY_MAX:
                what = f"it is longer than {BODY_MAX} bytes"
                raise refusal(self._url, Problem.ANSWER_MALFORMED, what)
        return bytes(held)

    # ------------------------------------------------------------------------- certificates

    def warn(self) -> None:
        """Tell of certificates that run out, or that have changed and cannot be used."""
        self._warned_s = time.monotonic()
        self._server_seen = False  # the next answer says how long the server's is good
        self._warn_of_dates()

    def _warn_of_dates(self) -> None:
        now, ends = datetime.datetime.now(datetime.UTC), self._credentials
        sentences = [self._unusable] if self._unusable else []
        for what, path, end, verb in (
            (
                "this station's certificate",
                self._files.certificate,
                ends.certificate_ends,
                "renew it",
            ),
            ("the CA certificate", self._files.ca, ends.ca_ends, "renew it"),
            (
                "the certificate of key server",
                self._url,
                self._server_ends,
                "have it renewed",
            ),
        ):
            days = None if end is None else days_left(end, now)
            if days is not None:
                when = f"within {days} days" if days > 1 else "within a day"
                what_then = f"runs out {when}" if days else "has expired"
                sentences.append(f"{what} {path} {what_then} ({end:%Y-%m-%d %H:%M} UTC); {verb}")
        self._tell("; ".join(sentences))

    def _read(self) -> Credentials:
        credentials = read_credentials(self._files)
        require_station(credentials, self._station, self._files.certificate)
        return credentials

    def _renew(self) -> None:
        """Read the files again when one of them has changed."""
        stamp = self._files.stamp()
        if stamp == self._stamp:
            if time.monotonic() - self._warned_s > _WARN_S:
                self.warn()
            return
        self._stamp = stamp
        try:
            self._credentials = self._read()
        except TrustError as error:
            # Two files are not replaced at one moment: the ones before stay in use.
            self._unusable = f"the certificates have changed and cannot be used: {error}"
        else:
            self._unusable = ""
            self._busy.setdefault(self._transport, 0)
            self._transport = _transport(self._credentials)
        self.warn()

    def _leave(self, transport: httpx.HTTPTransport) -> None:
        """The last request over a transport that is no longer used closes it."""
        self._busy[transport] -= 1
        for idle in [one for one, count in self._busy.items() if count == 0]:
            del self._busy[idle]
            if idle is not self._transport:
                idle.close()


def _server_end(answer: httpx.Response) -> datetime.datetime | None:
    """When the certificate that the server has shown runs out; None where that is not said."""
    stream = answer.extensions.get("network_stream")
    tls: ssl.SSLObject | None = stream and stream.get_extra_info("ssl_object")
    shown = tls and tls.getpeercert()
    if not shown:
        return None
    ends_s = ssl.cert_time_to_seconds(str(shown["notAfter"]))
    return datetime.datetime.fromtimestamp(ends_s, datetime.UTC)


def _transport(credentials: Credentials) -> httpx.HTTPTransport:
    # Not a Client: cookies, redirects, proxies and the rest of what it adds are not wanted here.
    return httpx.HTTPTransport(
        verify=credentials.context,
        trust_env=False,  # or a variable would write the secrets of TLS, or name other CAs
        limits=httpx.Limits(
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_CONNECTIONS,
            keepalive_expiry=_KEEP_ALIVE_S,
        ),
    )
