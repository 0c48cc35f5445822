import anyio
import anyio.to_thread
import pytest

from kfasync.sim.mailbox import Mailbox


@pytest.mark.anyio
async def test_items_come_out_in_the_order_they_went_in() -> None:
    mailbox = Mailbox[int]()
    # Far more than the socket has room for wake-ups.
    for number in range(5000):
        mailbox.put(number)
    assert [await anext(mailbox) for _ in range(5000)] == list(range(5000))
    mailbox.put(-1)
    assert await anext(mailbox) == -1
    mailbox.close()


@pytest.mark.anyio
async def test_a_cancelled_reader_loses_nothing() -> None:
    mailbox = Mailbox[int]()
    mailbox.put(1)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anext(mailbox)
    assert scope.cancelled_caught
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, mailbox.put, 2)
        assert [await anext(mailbox) for _ in range(2)] == [1, 2]
    mailbox.close()


@pytest.mark.anyio
async def test_a_reader_that_waits_can_be_cancelled_and_wait_again() -> None:
    mailbox = Mailbox[int]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(mailbox.__anext__)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    mailbox.put(7)
    assert await anext(mailbox) == 7
    mailbox.close()
