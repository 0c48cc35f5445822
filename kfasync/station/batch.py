"""Whether a batch may start: what has been checked, and which reference fobs are due.

    red, or a reference is due    no fob is provisioned; reference fobs are looked at
    all good                      fobs are provisioned, until a reference is due again

A UID that the configuration names as a reference is never provisioned, whatever else is.
"""

import enum
import threading
import time
from collections.abc import Callable, Iterable

import msgspec

from kfasync.errors import ShiftError
from kfasync.station.start import ShiftSection

_HOUR_S = 3600.0


class CheckState(enum.Enum):
    """How a check stands."""

    GOOD = "good"
    DUE = "due"  # it waits for a fob to be placed
    RED = "red"


class Check(msgspec.Struct, frozen=True):
    """One line of the check list: its name, how it stands, and why."""

    name: str
    state: CheckState
    said: str


class Role(enum.Enum):
    """What a reference fob is for; the value is the name of its check."""

    GOLDEN = "golden"
    KNOWN_BAD = "known-bad"


class ReferenceFound(Exception):  # noqa: N818  # it is no error: the fob is not to be provisioned
    """The fob on the reader is a reference fob."""

    def __init__(self, role: Role, uid: bytes) -> None:
        super().__init__(role.value)
        self.role = role
        self.uid = uid


class Batch:
    """The check list of a station; thread-safe.

    Args:
        section: None: there are no reference fobs.
        gated: whether fobs are refused until the list is done, if there is a section.
        clock: monotonic seconds.

    Attributes:
        gated: whether fobs are refused until the list is done.
    """

    def __init__(
        self,
        section: ShiftSection | None = None,
        *,
        gated: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._section = section
        self.gated = gated and section is not None
        self._clock = clock
        self._lock = threading.Lock()
        self._machine: tuple[Check, ...] = ()
        self._roles: dict[str, Role] = {}
        self._proved: dict[Role, Check] = {}
        self._since_s = 0.0  # when the older of the references was found right
        self._fobs = 0
        if section is not None:
            self._roles |= dict.fromkeys((uid.upper() for uid in section.golden), Role.GOLDEN)
            self._roles |= dict.fromkeys((uid.upper() for uid in section.known_bad), Role.KNOWN_BAD)
        if self.gated:
            # Until somebody has looked, nobody knows.
            self._machine = (Check("station", CheckState.DUE, "nobody has looked yet"),)
        self._call_for_references()

    def is_reference(self, uid: bytes) -> bool:
        """Whether this UID is a reference fob's."""
        return uid.hex().upper() in self._roles

    def admit(self, uid: bytes) -> None:
        """A fob is here, and has been told by its UID; before anything else is done with it.

        Raises:
            ReferenceFound: it is one of the reference fobs.
            ShiftError: a check is red or due.
        """
        if self._section is None:
            return
        with self._lock:
            role = self._roles.get(uid.hex().upper())
            if role is not None:
                raise ReferenceFound(role, uid)
            open_ones = [one for one in self._list() if one.state is not CheckState.GOOD]
            if self.gated and open_ones:
                raise ShiftError(f"the check list is not done: {sentence(open_ones)}")
            self._fobs += 1

    def look(self, machine: Iterable[Check]) -> None:
        """Take in what has been found of the station itself."""
        with self._lock:
            self._machine = tuple(machine)

    def prove(self, role: Role, *, good: bool, said: str) -> None:
        """A reference fob was looked at; ``good`` when it was found to be what it should be."""
        with self._lock:
            state = CheckState.GOOD if good else CheckState.RED
            self._proved[role] = Check(role.value, state, said)
            if all(one.state is CheckState.GOOD for one in self._proved.values()):
                self._since_s, self._fobs = self._clock(), 0

    def machine(self) -> tuple[Check, ...]:
        """What has been found of the station itself."""
        with self._lock:
            return self._machine

    def checks(self) -> tuple[Check, ...]:
        """The whole list, as it stands now."""
        with self._lock:
            return self._list()

    def _list(self) -> tuple[Check, ...]:
        if self._is_due_again():
            self._call_for_references()
        return (*self._machine, *self._proved.values())

    def _is_due_again(self) -> bool:
        section = self._section
        if section is None or any(
            one.state is not CheckState.GOOD for one in self._proved.values()
        ):
            return False
        fobs, hours = section.every_fobs, section.every_hours
        hours_s = None if hours is None else hours * _HOUR_S
        return (fobs is not None and self._fobs >= fobs) or (
            hours_s is not None and self._clock() - self._since_s >= hours_s
        )

    def _call_for_references(self) -> None:
        for role in dict.fromkeys(self._roles.values()):
            self._proved[role] = Check(role.value, CheckState.DUE, "place it on any reader")


def sentence(checks: Iterable[Check]) -> str:
    """Those of a list, in one line."""
    return "; ".join(f"{one.name} {one.state.value} ({one.said})" for one in checks)
