"""What is tried again, how, and what is not."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from kfasync.contracts.klms import End, Outcomes
from kfasync.contracts.klms_problems import Problem
from kfasync.errors import KlmsError, SourceUnavailableError, UnitError
from kfasync.klms.refusal import details
from kfasync.sources.klms import client as module
from kfasync.sources.klms.breaker import Breaker
from kfasync.sources.klms.client import Client
from kfasync.sources.klms.link import Link
from tests.klms.world import ServerProcess
from tests.sources.klms.world import STATION, Answer, Hostile, files, of

pytestmark = pytest.mark.anyio
KEY = "9b2f6c1e-3a47-4d0b-8f65-1f0e2d3c4b5a"
ENDS = Outcomes((End("l-1", "abort", "fail", "none"),))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.001)
    monkeypatch.setattr(module, "PAUSE_MAX_S", 0.002)


def soon() -> float:
    return time.monotonic() + 20.0


@asynccontextmanager
async def client_of(url: str, pki: Path) -> AsyncIterator[Client]:
    link = Link(url, STATION, files(pki), lambda sentence: None)
    try:
        yield Client(url, link, Breaker(lambda reason: None))
    finally:
        link.close()


def problem(one: Problem, retry_after: str = "0") -> tuple[int, dict[str, str], bytes]:
    body = msgspec.json.encode(details(one, "c"))
    return one.value.status, {"retry-after": retry_after}, body


class Script:
    """Answers of a hostile server, one after the other; the last one for ever."""

    def __init__(self, *answers: tuple[int, dict[str, str], bytes]) -> None:
        self._answers = list(answers)

    def __call__(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


async def lease(pki: Path, answer: Answer, until_s: float | None = None) -> tuple[bytes, Hostile]:
    with Hostile(pki, answer) as hostile:
        async with client_of(hostile.url, pki) as client:
            granted = await client.lease(KEY, b"{}", soon() if until_s is None else until_s)
    return granted.body, hostile


GATEWAY: tuple[int, dict[str, str], bytes] = (502, {}, b"<html>")


@pytest.mark.parametrize(
    "first",
    [problem(one) for one in Problem if one.value.retryable] + [GATEWAY],
    ids=[one.code for one in Problem if one.value.retryable] + ["a gateway's own words"],
)
async def test_what_may_help_is_tried_again_with_the_same_key(
    server: ServerProcess, first: tuple[int, dict[str, str], bytes]
) -> None:
    body, hostile = await lease(server.pki, Script(first, first, (201, {}, b"granted")))
    assert body == b"granted"
    assert [headers["Idempotency-Key"] for _, headers, _ in hostile.requests] == [KEY] * 3
    assert len({headers["X-Correlation-Id"] for _, headers, _ in hostile.requests}) == 1


@pytest.mark.parametrize(
    "problem_", [p for p in Problem if p.value.status >= 400 and not p.value.retryable]
)
async def test_what_will_not_help_is_not(server: ServerProcess, problem_: Problem) -> None:
    with pytest.raises(Exception, match=problem_.value.title[1:]) as caught:
        await lease(server.pki, Script(problem(problem_)))
    assert isinstance(caught.value, KlmsError | UnitError)


@pytest.mark.parametrize(
    "answer", [(404, {}, b"<html>"), (500, {}, b"{}"), (204, {}, b""), (400, {}, b"[" * 60_000)]
)
async def test_what_is_no_answer_of_a_key_server_is_refused(
    server: ServerProcess, answer: tuple[int, dict[str, str], bytes]
) -> None:
    with pytest.raises(KlmsError) as caught:
        await lease(server.pki, Script(answer))
    assert caught.value.code == "answer-malformed"


async def test_a_connection_that_is_lost_is_tried_again(
    server: ServerProcess, directory: Path
) -> None:
    with ServerProcess(directory, "--fault", "cut-before=0.7", "--seed", "1") as cutting:
        async with client_of(of(cutting), cutting.pki) as client:
            for _ in range(5):
                with pytest.raises(KlmsError, match=r"does not follow the API"):
                    await client.lease(KEY, b"{}", soon())
                answer = await _until_heard(client)
                assert answer == ["lease-unknown"]


async def _until_heard(client: Client) -> list[str]:
    while True:
        try:
            answer = await client.outcomes(ENDS, soon())
        except SourceUnavailableError:
            continue
        return [one.problem.code for one in answer.ends if one.problem]


async def test_the_deadline_ends_it_with_the_last_reason(server: ServerProcess) -> None:
    began = time.monotonic()
    with pytest.raises(SourceUnavailableError, match="not available now") as caught:
        await lease(server.pki, Script(problem(Problem.UNAVAILABLE)), began + 0.3)
    assert type(caught.value) is SourceUnavailableError
    assert time.monotonic() - began < 5


async def test_who_is_asked_to_wait_longer_than_there_is_time_gives_up_at_once(
    server: ServerProcess,
) -> None:
    with pytest.raises(SourceUnavailableError, match="too many requests"):
        await lease(server.pki, Script(problem(Problem.TOO_MANY_REQUESTS, "3600")))


async def test_ends_are_sent_once(server: ServerProcess) -> None:
    with Hostile(server.pki, Script(problem(Problem.UNAVAILABLE))) as hostile:
        async with client_of(hostile.url, server.pki) as client:
            with pytest.raises(SourceUnavailableError):
                await client.outcomes(ENDS, soon())
    assert len(hostile.requests) == 1


@pytest.mark.parametrize(
    "body",
    [b'{"ends":[]}', b'{"ends":[{"lease_id":"l-2","content":"free"}]}', b"{}", b"no", b"[" * 9999],
)
async def test_an_answer_that_is_not_for_each_end_is_refused(
    server: ServerProcess, body: bytes
) -> None:
    with Hostile(server.pki, Script((200, {}, body))) as hostile:
        async with client_of(hostile.url, server.pki) as client:
            with pytest.raises(KlmsError) as caught:
                await client.outcomes(ENDS, soon())
    assert caught.value.code == "answer-malformed"


async def test_what_a_server_says_of_itself(server: ServerProcess) -> None:
    async with client_of(of(server), server.pki) as client:
        assert (await client.capabilities(soon())).profiles == ("keyfob",)
        assert (await client.pool("keyfob", soon())).free > 0
        assert (await client.time(soon())).server_time.endswith("Z")
        with pytest.raises(KlmsError, match="there is no such profile"):
            await client.pool("none", soon())
