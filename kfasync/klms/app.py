"""The API of docs/klms-openapi.yaml, as an ASGI application.

Everything is done on the event loop, one request at a time: a lease costs less than a hop into a
thread and back would save, and the pool has one writer anyway.
"""

import contextlib
import logging
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import anyio
import msgspec
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from kfasync.contracts.klms import (
    CORRELATION_ID,
    IDEMPOTENCY_KEY,
    JSON,
    PREFIX,
    PROBLEM_JSON,
    SUITE,
    VERSION,
    CapabilitiesAnswer,
    EndAnswer,
    HealthAnswer,
    LeaseRequest,
    Outcomes,
    OutcomesAnswer,
    TimeAnswer,
)
from kfasync.contracts.klms_problems import Problem
from kfasync.errors import SourceUnavailableError
from kfasync.klms.answer import Answers
from kfasync.klms.config import LeaseSection
from kfasync.klms.faults import Fault, Faults
from kfasync.klms.kdf3 import MasterKey
from kfasync.klms.leases import Leases
from kfasync.klms.peer import Peer
from kfasync.klms.refusal import ProblemError, details
from kfasync.klms.standing import Standing

BODY_MAX = 64 * 1024  # 100 ends have some 25 KiB
_HUGE, _CHUNK = 100 * 1024 * 1024, 64 * 1024

T = TypeVar("T")

_CORRELATION_ID = re.compile("[0-9A-Za-z-]{1,64}")
_UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# A place in a body, as msgspec names it; anything else in its sentences may quote the body.
_PLACE = re.compile(r"at `(\$[a-z_.\[\]0-9]*)`$")
_log = logging.getLogger("kfasync.klms")


class KlmsApp:
    """The API; every request has a peer (:class:`kfasync.klms.peer.Peer`)."""

    def __init__(
        self,
        answers: Answers,
        leases: Leases,
        standing: Standing,
        master: MasterKey,
        limits: LeaseSection,
        faults: Faults,
    ) -> None:
        self._answers = answers
        self._leases = leases
        self._standing = standing
        self._master = master
        self._limits = limits
        self._faults = faults
        self._app = Starlette(
            routes=[
                Route(f"{PREFIX}/leases", self._lease, methods=["POST"]),
                Route(f"{PREFIX}/outcomes", self._outcomes, methods=["POST"]),
                Route(f"{PREFIX}/pool/{{profile}}", self._pool),
                Route(f"{PREFIX}/health", self._health),
                Route(f"{PREFIX}/time", self._time),
                Route(f"{PREFIX}/capabilities", self._capabilities),
            ],
            exception_handlers={
                ProblemError: _problem,
                HTTPException: _http_problem,
                ClientDisconnect: _nobody,
                SourceUnavailableError: _unavailable,
                Exception: _failure,
            },
        )
        # A path with a slash too many is another resource, and a key server redirects nobody.
        self._app.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request: named, answered and logged."""
        asked = Headers(scope=scope).get(CORRELATION_ID, "")
        named = asked if _CORRELATION_ID.fullmatch(asked) else uuid.uuid4().hex
        scope.setdefault("state", {})["correlation_id"] = named
        peer = Peer.of(scope)

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[CORRELATION_ID] = named
                method, path, status = scope["method"], ascii(scope["path"]), message["status"]
                _log.info("%s %s %s %d %s", peer.station, method, path, status, named)
            await send(message)

        # Starlette raises a failure once more when it has been answered and logged, and uvicorn
        # would write down its traceback, which may quote anything.
        with contextlib.suppress(Exception):
            await self._app(scope, receive, send_named)

    # ------------------------------------------------------------------------------ leases

    async def _lease(self, request: Request) -> Response:
        body = await _body(request)
        key = request.headers.get(IDEMPOTENCY_KEY, "")
        if not _UUID.fullmatch(key):
            raise ProblemError(Problem.IDEMPOTENCY_KEY_MISSING)
        asked = decode(body, LeaseRequest)
        station = _station(request)
        async with _taking(self._faults.lease_s):
            await self._before(request)
            answer, new = self._answers.lease(station, key.lower(), asked)
        return self._after(request, Response(answer, 201 if new else 200, media_type=JSON))

    async def _outcomes(self, request: Request) -> Response:
        asked = decode(await _body(request), Outcomes)
        station = _station(request)
        async with _taking(self._faults.ends_s):
            await self._before(request)
            all_became = self._leases.end(station, asked.ends)
        correlation_id = request.state.correlation_id
        answers = tuple(
            EndAnswer(end.lease_id, problem=details(became, correlation_id))
            if isinstance(became, Problem)
            else EndAnswer(end.lease_id, content=became)
            for end, became in zip(asked.ends, all_became, strict=True)
        )
        return self._after(request, _json(OutcomesAnswer(answers)))

    async def _before(self, request: Request) -> None:
        """What goes wrong before anything is done."""
        if self._faults.strikes(Fault.LATENCY):
            await anyio.sleep(self._faults.latency_s)
        again = {"Retry-After": str(self._faults.retry_after_s)}
        if self._faults.strikes(Fault.TOO_MANY_REQUESTS):
            raise ProblemError(Problem.TOO_MANY_REQUESTS, headers=again)
        if self._faults.strikes(Fault.UNAVAILABLE):
            raise ProblemError(Problem.UNAVAILABLE, headers=again)
        if self._faults.strikes(Fault.CUT_BEFORE):
            Peer.of(request.scope).hang_up()
            raise ClientDisconnect

    def _after(self, request: Request, answer: Response) -> Response:
        """What goes wrong when all is done."""
        if self._faults.strikes(Fault.CUT_AFTER):
            Peer.of(request.scope).hang_up()
        if self._faults.strikes(Fault.HUGE):
            return StreamingResponse(_huge(), answer.status_code, media_type=JSON)
        return answer

    # ----------------------------------------------------------------------------- service

    async def _pool(self, request: Request) -> Response:
        _station(request)
        return _json(self._standing.counts(request.path_params["profile"]))

    async def _health(self, request: Request) -> Response:
        _station(request)
        self._standing.profiles()
        self._master.cmac(b"")
        return _json(HealthAnswer("ok"))

    async def _time(self, request: Request) -> Response:
        _station(request)
        return _json(TimeAnswer(self._answers.server_time()))

    async def _capabilities(self, request: Request) -> Response:
        _station(request)
        return _json(
            CapabilitiesAnswer(
                versions=(VERSION,),
                suites=(SUITE,),
                profiles=self._standing.profiles(),
                ttl_s=min(self._limits.ttl_s, self._limits.ttl_max_s),
                ttl_max_s=self._limits.ttl_max_s,
                key_store=self._master.key_store,
            )
        )


def decode(body: bytes, kind: type[T]) -> T:
    """A request, read strictly.

    Raises:
        ProblemError: it does not follow the schema; says where, and quotes nothing.
    """
    try:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError:
            # JSON Schema takes 210.0 for an integer, msgspec does not.
            return msgspec.convert(_integral(msgspec.json.decode(body)), kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        place = _PLACE.search(str(error))
        detail = f"{place[1]} is not as the schema has it" if place else "not the JSON of a request"
        raise ProblemError(Problem.INVALID_REQUEST, detail) from None


def _integral(value: Any) -> Any:
    """The same with every float that is an integer as one."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_integral(one) for one in value]
    if isinstance(value, dict):
        return {name: _integral(one) for name, one in value.items()}
    return value


@contextlib.asynccontextmanager
async def _taking(seconds: float) -> AsyncIterator[None]:
    """What is done in here takes that long in all, or longer, whatever comes of it."""
    until_s = anyio.current_time() + seconds
    try:
        yield
    finally:
        await anyio.sleep_until(until_s)


async def _body(request: Request) -> bytes:
    """The whole body, as long as it is JSON and not too long."""
    # The rest of such a body is not read, so the connection is of no further use.
    too_large = ProblemError(Problem.REQUEST_TOO_LARGE, headers={"Connection": "close"})
    length = request.headers.get("Content-Length", "0")
    if length.isdecimal() and int(length[:20]) > BODY_MAX:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX:
            raise too_large
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != JSON or "Content-Encoding" in request.headers:
        raise ProblemError(Problem.UNSUPPORTED_MEDIA_TYPE)
    return bytes(body)


def _station(request: Request) -> str:
    station = Peer.of(request.scope).station
    if station is None:
        raise ProblemError(Problem.STATION_MISMATCH, "the certificate does not name one station")
    return station


def _json(answer: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(answer), media_type=JSON)


async def _huge() -> AsyncIterator[bytes]:
    yield b'{"lease_id":"'
    for _ in range(_HUGE // _CHUNK):
        yield b"0" * _CHUNK
    yield b'"}'


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # as the table of handlers has it
    return Response(
        error.body(request.state.correlation_id),
        error.problem.value.status,
        headers=error.headers,
        media_type=PROBLEM_JSON,
    )


async def _http_problem(request: Request, error: Exception) -> Response:
    """What Starlette refuses by itself: no such path, or no such method."""
    assert isinstance(error, HTTPException)  # as the table of handlers has it
    known = {404: Problem.NOT_FOUND, 405: Problem.METHOD_NOT_ALLOWED}
    problem = known.get(error.status_code, Problem.INVALID_REQUEST)
    return await _problem(request, ProblemError(problem, headers=error.headers))


async def _unavailable(request: Request, error: Exception) -> Response:
    """The pool or the key store does not answer now."""
    _log.error("%s %s", error, request.state.correlation_id)
    return await _problem(request, ProblemError(Problem.UNAVAILABLE, headers={"Retry-After": "1"}))


async def _failure(request: Request, error: Exception) -> Response:
    # Its text may quote anything: the class and the place are all that is said.
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = "" if place is None else f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
    _log.error("%s at %s %s", type(error).__name__, where, request.state.correlation_id)
    return await _problem(request, ProblemError(Problem.INTERNAL_ERROR))


async def _nobody(_request: Request, _error: Exception) -> Response:
    return Response()  # which nobody reads
