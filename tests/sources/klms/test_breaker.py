"""One breaker for all lanes: four failures open it, one request tries, an answer closes it."""

import time
from collections.abc import Callable

import anyio
import pytest

from kfasync.errors import KlmsError, SourceUnavailableError
from kfasync.sources.klms import breaker as module
from kfasync.sources.klms.breaker import FAILURES_MAX, Breaker

pytestmark = pytest.mark.anyio
PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.01)
    monkeypatch.setattr(module, "PAUSE_MAX_S", 0.02)


def soon() -> float:
    return time.monotonic() + PATIENCE_S


async def fail(breaker: Breaker, until_s: float) -> None:
    with pytest.raises(SourceUnavailableError):
        async with breaker.request(until_s):
            raise SourceUnavailableError("nobody is there")


async def opened(tell: Callable[[str], None] = lambda reason: None) -> Breaker:
    breaker = Breaker(tell)
    for _ in range(FAILURES_MAX):
        assert not breaker.is_open
        await fail(breaker, soon())
    assert breaker.is_open
    return breaker


async def test_it_opens_and_closes_and_says_so_once() -> None:
    told: list[str] = []
    breaker = await opened(told.append)
    await fail(breaker, soon())
    assert told == ["nobody is there"]
    async with breaker.request(soon()):
        pass
    assert told == ["nobody is there", ""]
    assert not breaker.is_open


async def test_a_refusal_is_an_answer() -> None:
    breaker = Breaker(lambda reason: None)
    for _ in range(3 * FAILURES_MAX):
        with pytest.raises(KlmsError):
            async with breaker.request(soon()):
                raise KlmsError("pool-empty", "no content", "")
    assert not breaker.is_open


async def test_who_has_no_time_left_hears_why_and_does_not_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 60.0)
    monkeypatch.setattr(module, "PAUSE_MAX_S", 60.0)
    breaker = await opened()
    with pytest.raises(SourceUnavailableError, match="nobody is there"):
        async with breaker.request(time.monotonic() + 0.02):
            raise AssertionError("asked")


async def test_one_request_tries_and_the_others_wait_for_what_it_hears() -> None:
    breaker, answered, trying = await opened(), anyio.Event(), anyio.Event()
    order: list[str] = []

    async def first() -> None:
        async with breaker.request(soon()):
            order.append("tries")
            trying.set()
            await answered.wait()
            order.append("answered")

    async def another() -> None:
        async with breaker.request(soon()):
            order.append("asks")

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            await trying.wait()
            tasks.start_soon(another)
            tasks.start_soon(another)
            await anyio.wait_all_tasks_blocked()
            answered.set()
    assert order == ["tries", "answered", "asks", "asks"]


async def test_one_that_was_given_up_lets_another_try() -> None:
    breaker, trying = await opened(), anyio.Event()

    async def given_up() -> None:
        async with breaker.request(soon()):
            trying.set()
            await anyio.sleep_forever()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(given_up)
            await trying.wait()
            tasks.cancel_scope.cancel()
        async with breaker.request(soon()):
            pass
    assert not breaker.is_open
