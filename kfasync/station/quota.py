"""How many fobs a station takes before it ends, and what came of them."""

from collections.abc import Callable

import anyio
import msgspec

from kfasync.model import Outcome


class Tally(msgspec.Struct):
    """How the fobs of one run ended: at the last attempt of each placing."""

    passed: int = 0
    failed: int = 0


class Quota:
    """A number of results for all lanes together; on the event loop.

    No lane begins a fob beyond it. One that ends without a result, because it could not even be
    reached, gives its place to the next.

    Args:
        fobs: how many; None for no end.

    Attributes:
        tally: the results so far.
    """

    def __init__(self, fobs: int | None) -> None:
        self.tally = Tally()
        self._fobs = fobs
        self._begun = 0
        self._changed = anyio.Event()

    @property
    def filled(self) -> bool:
        """Whether all results are there."""
        return self._left == 0

    @property
    def _left(self) -> int | None:
        return None if self._fobs is None else self._fobs - self.tally.passed - self.tally.failed

    async def begin(self) -> None:
        """Wait for a place and take it; :meth:`end` gives it back."""
        await self.until(self._has_place)
        self._begun += 1

    def end(self, outcome: Outcome | None) -> None:
        """The place is used up by a result, or free again without one."""
        self._begun -= 1
        if outcome is Outcome.PASS:
            self.tally.passed += 1
        elif outcome is not None:
            self.tally.failed += 1
        self.look()

    def _has_place(self) -> bool:
        return self._left is None or self._begun < self._left

    async def until(self, over: Callable[[], bool]) -> None:
        """Wait until that is so; asked again after every :meth:`end` and :meth:`look`."""
        while not over():
            await self._changed.wait()

    def look(self) -> None:
        """Something has happened to a lane."""
        self._changed.set()
        self._changed = anyio.Event()
