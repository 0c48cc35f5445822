"""One HTTP exchange with the key server: one TLS context, one pool of connections, small bodies."""

import datetime
from collections.abc import Callable, Mapping

import anyio
import httpx
import msgspec

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
_GRACE_S = 0.1
_KEEP_ALIVE_S = 240.0  # shorter than servers keep one: nobody else closes it while it is used

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
        self._busy: dict[httpx.AsyncHTTPTransport, int] = {}
        self.warn()

    async def close(self) -> None:
        """Close every connection; may be called again."""
        await self._transport.aclose()

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
        transport = self._transport
        self._busy[transport] = self._busy.get(transport, 0) + 1
        try:
            # httpx has the first word: a handshake that is cancelled from outside leaves its
            # socket to the garbage collector (httpcore, on trio).
            with anyio.fail_after(timeout_s + _GRACE_S):
                return await self._exchange(transport, method, path, body, headers, timeout_s)
        except (TimeoutError, httpx.ConnectTimeout):
            raise SourceUnavailableError(
                f"key server {self._url} does not answer (not within {timeout_s:.1f} s)"
            ) from None
        # OSError: on asyncio a refusal of TLS comes as a bare ssl.SSLError.
        except (httpx.TransportError, OSError) as error:
            raise explain(error, self._url, self._files) from error
        finally:
            await self._leave(transport)

    async def _exchange(
        self,
        transport: httpx.AsyncHTTPTransport,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> Reply:
        request = httpx.Request(
            method,
            self._urls[path],
            content=body or None,
            headers={**_HEADERS, **headers},
            extensions={"timeout": {"connect": timeout_s}},
        )
        answer = await transport.handle_async_request(request)
        held = await self._body(answer)
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
        return Reply(
            answer.status_code, bytes(held), float(after[:6]) if after[:6].isdecimal() else 0.0
        )

    async def _body(self, answer: httpx.Response) -> bytearray:
        """The whole body, as it comes, unless it is longer than any."""
        held, too_long = bytearray(), False
        try:
            async for chunk in answer.aiter_raw():
                held += chunk
                if len(held) > BODY_MAX:
                    # Closed, and read on to the error that this makes: the generators of httpx come
                    # to an end of their own then, which trio asks of them.
                    too_long = True
                    await answer.aclose()
        except httpx.TransportError:
            if not too_long:
                raise
        finally:
            await answer.aclose()
        if too_long:
            what = f"it is longer than {BODY_MAX} bytes"
            raise refusal(self._url, Problem.ANSWER_MALFORMED, what)
        return held

    # ------------------------------------------------------------------------- certificates

    def warn(self) -> None:
        """Tell of certificates that run out, or that have changed and cannot be used."""
        now, ends = datetime.datetime.now(datetime.UTC), self._credentials
        sentences = [self._unusable] if self._unusable else []
        for what, path, end in (
            ("this station's certificate", self._files.certificate, ends.certificate_ends),
            ("the CA certificate", self._files.ca, ends.ca_ends),
        ):
            days = days_left(end, now)
            if days is not None:
                when = f"within {days} days" if days > 1 else "within a day"
                what_then = f"runs out {when}" if days else "has expired"
                sentences.append(f"{what} {path} {what_then} ({end:%Y-%m-%d %H:%M} UTC); renew it")
        self._tell("; ".join(sentences))

    def _read(self) -> Credentials:
        credentials = read_credentials(self._files)
        require_station(credentials, self._station, self._files.certificate)
        return credentials

    def _renew(self) -> None:
        """Read the files again when one of them has changed."""
        stamp = self._files.stamp()
        if stamp == self._stamp:
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

    async def _leave(self, transport: httpx.AsyncHTTPTransport) -> None:
        """The last request over a transport that is no longer used closes it."""
        self._busy[transport] -= 1
        for idle in [one for one, count in self._busy.items() if count == 0]:
            del self._busy[idle]
            if idle is not self._transport:
                with anyio.CancelScope(shield=True):
                    await idle.aclose()


def _transport(credentials: Credentials) -> httpx.AsyncHTTPTransport:
    # Not an AsyncClient: cookies, redirects, proxies and the rest of what it adds are not wanted
    # here, and it costs a third of the CPU of a request.
    return httpx.AsyncHTTPTransport(
        verify=credentials.context,
        trust_env=False,  # or a variable would write the secrets of TLS, or name other CAs
        limits=httpx.Limits(
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_CONNECTIONS,
            keepalive_expiry=_KEEP_ALIVE_S,
        ),
    )
