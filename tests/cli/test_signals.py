import os
import signal

import anyio
import pytest

from kfasync.cli.signals import SIGNALS, watch
from tests.station.desks import PATIENCE_S

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("number", SIGNALS)
async def test_every_signal_is_told_on_the_loop_and_ignored_after_the_end(
    number: signal.Signals,
) -> None:
    asked, told = list[int](), anyio.Event()

    def tell() -> None:
        nonlocal told
        asked.append(len(asked))
        told.set()
        told = anyio.Event()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            await tasks.start(watch, tell)
            for _ in range(2):
                now = told
                os.kill(os.getpid(), number)
                await now.wait()
            tasks.cancel_scope.cancel()
    os.kill(os.getpid(), number)
    assert asked == [0, 1]
    assert signal.getsignal(number) is signal.SIG_IGN
