import anyio
import pytest

from kfasync.model import Outcome
from kfasync.station.quota import Quota
from tests.station.desks import PATIENCE_S

pytestmark = pytest.mark.anyio


async def test_no_lane_begins_beyond_the_quota() -> None:
    quota, begun = Quota(2), list[int]()

    async def begin(number: int) -> None:
        await quota.begin()
        begun.append(number)

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as lanes:
            for number in range(3):
                lanes.start_soon(begin, number)
            await anyio.wait_all_tasks_blocked()
            assert len(begun) == 2
            # A fob that could not be reached is no result: its place is free.
            quota.end(None)
    assert len(begun) == 3
    quota.end(Outcome.PASS)
    filled = [quota.filled]
    quota.end(Outcome.INCOMPLETE)
    assert [*filled, quota.filled] == [False, True]
    assert (quota.tally.passed, quota.tally.failed) == (1, 1)


async def test_without_a_number_there_is_no_end() -> None:
    quota = Quota(None)
    with anyio.fail_after(PATIENCE_S):
        for _ in range(100):
            await quota.begin()
            quota.end(Outcome.PASS)
    assert not quota.filled


async def test_whoever_waits_looks_again_when_told() -> None:
    quota, over = Quota(None), list[bool]()
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(quota.until, lambda: bool(over))
            await anyio.wait_all_tasks_blocked()
            over.append(True)
            quota.look()
