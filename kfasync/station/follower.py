"""What follows the ledger: the audit file, and the ends that a source has to be told.

A follower goes at its own speed from its own mark. One that cannot go on says so, tries again,
and stops no fob.
"""

from collections.abc import Awaitable, Callable

import anyio
import msgspec

from kfasync.errors import KfError

RETRY_S = 1.0  # after trouble, and then twice as long each time
RETRY_MAX_S = 10.0
LINGER_S = 0.1


class Notice(msgspec.Struct, frozen=True):
    """How a follower is getting on; ``problem`` is empty when it has caught up.

    A ``warning`` is not a follower's: ``follower`` is its topic, and an empty problem its end.
    """

    follower: str
    problem: str = ""
    warning: bool = False


class Progress(msgspec.Struct, frozen=True):
    """What a step has come to.

    ``problem`` is what the operator has to know, ``again_s`` when to step again although
    nothing new has happened; None for never.
    """

    problem: str = ""
    again_s: float | None = None


def ignore(notice: Notice) -> None:
    """For a caller that does not want to know."""


class Follower:
    """One follower.

    Args:
        name: as the operator reads it.
        step: catch up with the ledger as far as possible, or raise KfError.
        tell: told when trouble begins, changes or is over.
        linger_s: waited after news, so that the fobs of many lanes make one step.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[Progress]],
        tell: Callable[[Notice], None],
        linger_s: float = LINGER_S,
    ) -> None:
        self._name = name
        self._step = step
        self._tell = tell
        self._linger_s = linger_s
        self._problem = ""
        self._news: anyio.Event | None = None  # made on the loop that runs this

    def wake(self) -> None:
        """The ledger has something new; from the event loop."""
        if self._news is not None:
            self._news.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        wait_s = RETRY_S
        while True:
            news = self._news = anyio.Event()
            progress = await self.catch_up()
            if progress is None:
                # News do not make it better: a full disk would be tried at every fob.
                await anyio.sleep(wait_s)
                wait_s = min(2 * wait_s, RETRY_MAX_S)
                continue
            wait_s = RETRY_S
            with anyio.move_on_after(progress.again_s):
                await news.wait()
            await anyio.sleep(self._linger_s)

    async def catch_up(self) -> Progress | None:
        """One step; trouble is told and not raised, and then there is no progress."""
        progress: Progress | None = None
        try:
            progress = await self._step()
        except KfError as error:
            problem = str(error)
        else:
            problem = progress.problem
        if problem != self._problem:
            self._problem = problem
            self._tell(Notice(self._name, problem))
        return progress
