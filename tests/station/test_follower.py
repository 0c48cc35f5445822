"""A follower: woken by news, telling of trouble once, and never in the way."""

import anyio
import anyio.lowlevel
import pytest

from kfasync.errors import LedgerError
from kfasync.station import follower as module
from kfasync.station.follower import Follower, Notice, Progress, ignore
from tests.station.desks import PATIENCE_S

pytestmark = pytest.mark.anyio


class Steps:
    """What a follower does: a problem for each step, and then none."""

    def __init__(self, *problems: str) -> None:
        self.problems = list(problems)
        self.progress = Progress()
        self.taken = 0
        self.reached: dict[int, anyio.Event] = {}

    async def step(self) -> Progress:
        self.taken += 1
        if self.taken in self.reached:
            self.reached[self.taken].set()
        if self.problems and (problem := self.problems.pop(0)):
            raise LedgerError(problem)
        return self.progress

    async def until(self, number: int) -> None:
        self.reached[number] = anyio.Event()
        if self.taken < number:
            with anyio.fail_after(PATIENCE_S):
                await self.reached[number].wait()


async def test_it_steps_at_the_start_and_whenever_it_is_woken() -> None:
    steps, told = Steps(), list[Notice]()
    follower = Follower("log", steps.step, told.append)
    follower.wake()  # before it runs there is nobody to wake
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.run)
        for number in (1, 2, 3):
            await steps.until(number)
            await anyio.wait_all_tasks_blocked()
            assert steps.taken == number
            follower.wake()
        tasks.cancel_scope.cancel()
    assert told == []


async def test_trouble_is_told_once_and_its_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    steps, told = Steps("full", "full", "gone", ""), list[Notice]()
    follower = Follower("log", steps.step, told.append)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.run)
        await steps.until(4)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert told == [Notice("log", "full"), Notice("log", "gone"), Notice("log")]


async def test_news_do_not_make_it_try_a_full_disk_at_every_fob() -> None:
    steps = Steps("full")
    follower = Follower("log", steps.step, ignore)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.run)
        await steps.until(1)
        for _ in range(10):
            follower.wake()
            await anyio.wait_all_tasks_blocked()
        assert steps.taken == 1
        tasks.cancel_scope.cancel()


async def test_a_step_may_say_when_it_wants_to_be_taken_again() -> None:
    steps, told = Steps(), list[Notice]()
    steps.progress = Progress("two are left", again_s=0.001)
    follower = Follower("outbox", steps.step, told.append)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.run)
        await steps.until(3)
        steps.progress = Progress()
        await steps.until(steps.taken + 1)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert told == [Notice("outbox", "two are left"), Notice("outbox")]


async def test_news_cut_the_wait_of_a_step_short() -> None:
    steps = Steps()
    steps.progress = Progress("later", again_s=PATIENCE_S * 10)
    follower = Follower("outbox", steps.step, ignore)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.run)
        await steps.until(1)
        await anyio.wait_all_tasks_blocked()
        follower.wake()
        await steps.until(2)
        tasks.cancel_scope.cancel()


async def test_news_that_come_together_make_one_step() -> None:
    steps = Steps()
    follower = Follower("log", steps.step, ignore, linger_s=0.05)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.run)
        await steps.until(1)
        await anyio.wait_all_tasks_blocked()
        for _ in range(5):
            follower.wake()
            await anyio.lowlevel.checkpoint()
        await steps.until(2)
        await anyio.wait_all_tasks_blocked()
        assert steps.taken == 2
        tasks.cancel_scope.cancel()
