"""What follows the ledger: the audit file, and the ends that a source has to be told.

A follower goes at its own speed from its own mark. One that cannot go on says so, tries again,
and stops no fob.
"""

from collections.abc import Awaitable, Callable

import anyio
import msgspec

from kfasync.errors import KfError

RETRY_S = 1.0  # after trouble, and then at most this much longer each time
RETRY_MAX_S = 30.0


class Notice(msgspec.Struct, frozen=True):
    """How a follower is getting on; ``problem`` is empty when it has caught up."""

    follower: str
    problem: str = ""


def ignore(notice: Notice) -> None:
    """For a caller that does not want to know."""


class Follower:
    """One follower.

    Args:
        name: as the operator reads it.
        step: catch up with the ledger as far as possible, or raise KfError.
        tell: told when trouble begins, changes or is over.
    """

    def __init__(
        self, name: str, step: Callable[[], Awaitable[None]], tell: Callable[[Notice], None]
    ) -> None:
        self._name = name
        self._step = step
        self._tell = tell
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
            await self.catch_up()
            if self._problem:
                # News do not make it better: a full disk would be tried at every fob.
                await anyio.sleep(wait_s)
                wait_s = min(2 * wait_s, RETRY_MAX_S)
            else:
                wait_s = RETRY_S
                await news.wait()

    async def catch_up(self) -> None:
        """One step; trouble is told and not raised."""
        try:
            await self._step()
        except KfError as error:
            problem = str(error)
        else:
            problem = ""
        if problem != self._problem:
            self._problem = problem
            self._tell(Notice(self._name, problem))
