import anyio
import pytest
import sniffio

from kfasync.cli.loop import Loop, run_on
from kfasync.errors import LedgerError


async def running() -> str:
    return sniffio.current_async_library()


async def failing(errors: int, kind: type[Exception]) -> None:
    async def fail() -> None:
        raise kind("the sentence")

    async with anyio.create_task_group() as outer, anyio.create_task_group() as inner:
        for _ in range(errors):
            inner.start_soon(fail)
        outer.cancel_scope.shield = True


@pytest.mark.parametrize("loop", Loop)
def test_the_loop_is_the_one_asked_for(loop: Loop) -> None:
    assert run_on(loop, running) == loop.value


@pytest.mark.parametrize("loop", Loop)
def test_an_expected_error_comes_out_of_task_groups_bare(loop: Loop) -> None:
    with pytest.raises(LedgerError, match="the sentence"):
        run_on(loop, failing, 1, LedgerError)


@pytest.mark.parametrize("loop", Loop)
def test_an_error_of_ours_keeps_its_traceback(loop: Loop) -> None:
    with pytest.raises(BaseExceptionGroup) as group:
        run_on(loop, failing, 1, ZeroDivisionError)
    assert group.group_contains(ZeroDivisionError)
