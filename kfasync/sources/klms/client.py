"""The calls of docs/klms-openapi.yaml that a station makes, tried again where that may help."""

import random
import time
import uuid
from typing import TypeVar

import anyio
import msgspec

from kfasync.contracts.klms import (
    CORRELATION_ID,
    IDEMPOTENCY_KEY,
    JSON,
    PREFIX,
    CapabilitiesAnswer,
    Outcomes,
    OutcomesAnswer,
    PoolAnswer,
    ProblemDetails,
    TimeAnswer,
)
from kfasync.contracts.klms_problems import Problem
from kfasync.errors import SourceUnavailableError
from kfasync.sources.klms.breaker import Breaker
from kfasync.sources.klms.link import Link, Reply
from kfasync.sources.klms.refusal import problem_error, refusal

TRY_S = 4.0  # for one request; a healthy server needs a tenth of a second
TRY_MIN_S = 0.1  # with less than that left a try says nothing but that it had no time
PAUSE_S = 0.1  # at most before the second try, and then twice as long each time
PAUSE_MAX_S = 2.0
_AGAIN = frozenset((408, 425, 429, 502, 503, 504))

T = TypeVar("T", bound=msgspec.Struct)


class _BusyError(SourceUnavailableError):
    """The server is there and asks for patience."""

    def __init__(self, message: str, after_s: float) -> None:
        super().__init__(message)
        self.after_s = after_s


class Granted(msgspec.Struct, frozen=True):
    """The body of a lease answer, and when the request was sent that it answers (monotonic)."""

    body: bytes
    sent_s: float


class Client:
    """Requests of one station; all of it on the event loop."""

    def __init__(self, url: str, link: Link, breaker: Breaker) -> None:
        self._url = url
        self._link = link
        self._breaker = breaker

    async def lease(self, key: str, request: bytes, until_s: float) -> Granted:
        """POST /v1/leases, with one Idempotency-Key however often it is tried.

        Args:
            until_s: when to give up, on the monotonic clock.

        Raises:
            SourceUnavailableError: there was no answer in that time.
            KlmsError, UnitError: the server refuses.
            TrustError: one side does not accept the other.
        """
        headers = {IDEMPOTENCY_KEY: key, CORRELATION_ID: uuid.uuid4().hex, "Content-Type": JSON}
        tries = 0
        while True:
            try:
                sent_s, reply = await self._once("POST", "/leases", request, headers, until_s)
                return Granted(self._good(reply), sent_s)
            except SourceUnavailableError as error:
                most_s = min(PAUSE_MAX_S, PAUSE_S * 2.0 ** min(tries, 10))
                # Full jitter: stations that lost the server together do not come back together.
                pause_s = random.uniform(0, most_s)  # noqa: S311  # spreads load, keeps no secret
                if isinstance(error, _BusyError):
                    pause_s += error.after_s
                if time.monotonic() + pause_s + TRY_MIN_S >= until_s:
                    raise SourceUnavailableError(str(error)) from error
                tries += 1
                await anyio.sleep(pause_s)

    async def outcomes(self, ends: Outcomes, until_s: float) -> OutcomesAnswer:
        """POST /v1/outcomes, once.

        Raises:
            as :meth:`lease`
        """
        headers = {CORRELATION_ID: uuid.uuid4().hex, "Content-Type": JSON}
        body = msgspec.json.encode(ends)
        _, reply = await self._once("POST", "/outcomes", body, headers, until_s)
        answer = self._read(reply, OutcomesAnswer)
        if [one.lease_id for one in answer.ends] != [end.lease_id for end in ends.ends]:
            raise refusal(self._url, Problem.ANSWER_MALFORMED, "it does not answer each end")
        return answer

    async def capabilities(self, until_s: float) -> CapabilitiesAnswer:
        """GET /v1/capabilities, once."""
        return await self._get("/capabilities", CapabilitiesAnswer, until_s)

    async def pool(self, profile: str, until_s: float) -> PoolAnswer:
        """GET /v1/pool/{profile}, once."""
        return await self._get(f"/pool/{profile}", PoolAnswer, until_s)

    async def time(self, until_s: float) -> TimeAnswer:
        """GET /v1/time, once."""
        return await self._get("/time", TimeAnswer, until_s)

    async def _get(self, path: str, kind: type[T], until_s: float) -> T:
        _, reply = await self._once("GET", path, b"", {CORRELATION_ID: uuid.uuid4().hex}, until_s)
        return self._read(reply, kind)

    async def _once(
        self, method: str, path: str, body: bytes, headers: dict[str, str], until_s: float
    ) -> tuple[float, Reply]:
        """One request, and when it was sent; what cannot be answered now raises."""
        async with self._breaker.request(until_s):
            sent_s = time.monotonic()
            timeout_s = min(TRY_S, max(until_s - sent_s, 0.0))
            reply = await self._link.send(method, f"{PREFIX}{path}", body, headers, timeout_s)
        if reply.status >= 400:
            self._refuse(reply)
        return sent_s, reply

    def _refuse(self, reply: Reply) -> None:
        try:
            details = msgspec.json.decode(reply.body, type=ProblemDetails)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            # A gateway on the way has words of its own.
            if reply.status in _AGAIN:
                raise _BusyError(
                    f"key server {self._url} answers {reply.status}", reply.retry_after_s
                ) from None
            raise refusal(
                self._url, Problem.ANSWER_MALFORMED, f"{reply.status} without a problem document"
            ) from None
        error = problem_error(self._url, details)
        if reply.status in _AGAIN or details.retryable:
            raise _BusyError(str(error), reply.retry_after_s)
        raise error

    def _good(self, reply: Reply) -> bytes:
        if reply.status not in (200, 201):
            raise refusal(self._url, Problem.ANSWER_MALFORMED, f"status {reply.status}")
        return reply.body

    def _read(self, reply: Reply, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(self._good(reply), type=kind)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise refusal(self._url, Problem.ANSWER_MALFORMED) from None
