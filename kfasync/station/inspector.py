"""Who goes through the check list of a running station, and says how it stands."""

from collections.abc import Callable

import anyio
from anyio import to_thread

from kfasync.contracts.cards import Readers
from kfasync.errors import LedgerError
from kfasync.station.batch import Check, CheckState, sentence
from kfasync.station.checks import look
from kfasync.station.config import LoadedConfig
from kfasync.station.desk import Desk
from kfasync.station.follower import Notice
from kfasync.station.shiftlog import note

TOPIC = "check list"
_AGAIN = "the station"  # what brings a look about that nobody has asked for


class Inspector:
    """Looks at the station; on its event loop.

    Args:
        tell: told what is red or due, and with an empty problem when nothing is any more.
        again_s: between two looks while the station itself is red: a reader is plugged in, a key
            server is back.
        show_s: how late it is told that a reference fob is due, or has been looked at.
    """

    def __init__(
        self,
        loaded: LoadedConfig,
        desk: Desk,
        readers: Readers,
        tell: Callable[[Notice], None],
        *,
        again_s: float = 5.0,
        show_s: float = 0.5,
    ) -> None:
        self._again_s = again_s
        self._show_s = show_s
        self._loaded = loaded
        self._desk = desk
        self._readers = readers
        self._tell = tell
        self._told = ""
        self._looking = anyio.Lock()

    async def look(self, by: str) -> tuple[Check, ...]:
        """Make every check of the station itself, and write down how the list stands.

        Raises:
            LedgerError: it cannot be written down.
        """
        async with self._looking:
            before = _states(self._desk.batch.checks())
            desk = self._desk
            desk.batch.look(await look(self._loaded, self._readers, desk.path, desk.ledger))
            checks = desk.batch.checks()
            # Every look of a person's, and of the others those that have found something else.
            if by != _AGAIN or _states(checks) != before:
                await to_thread.run_sync(note, desk, by)
                for follower in desk.followers:
                    follower.wake()
        self.say()
        return checks

    async def run(self) -> None:
        """Say how the list stands, and look again while the station is red; until cancelled."""
        waited_s = 0.0
        while True:
            await anyio.sleep(self._show_s)
            self.say()
            waited_s += self._show_s
            red = any(one.state is CheckState.RED for one in self._desk.batch.machine())
            if red and waited_s >= self._again_s:
                waited_s = 0.0
                try:
                    await self.look(_AGAIN)
                except LedgerError as error:
                    # The lanes refuse fobs until it can be written again, and so is the station.
                    self._told = str(error)
                    self._tell(Notice(TOPIC, self._told, warning=True))

    def say(self) -> None:
        """Tell what is red or due, when that has changed."""
        open_ones = [one for one in self._desk.batch.checks() if one.state is not CheckState.GOOD]
        said = sentence(open_ones)
        if said != self._told:
            self._told = said
            self._tell(Notice(TOPIC, said, warning=True))


def _states(checks: tuple[Check, ...]) -> list[tuple[str, CheckState]]:
    return [(one.name, one.state) for one in checks]
