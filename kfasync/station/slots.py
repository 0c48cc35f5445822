"""Which lane a reader belongs to, whatever PC/SC calls it today.

PC/SC for Linux names a reader by its model, what is in square brackets (which of its interfaces),
its serial number in parentheses where it has one, and two numbers: that of the device, which is
another one when it was plugged in elsewhere, and that of the slot in it.

    ACS ACR1252 1S CL Reader [ACR1252 PICC] (RR123-000012) 01 00
"""

import re
from collections.abc import Iterable

_NAME = re.compile(r"(?P<model>.*?)(?: \((?P<serial>[^()]+)\))? [0-9A-F]{2} (?P<slot>[0-9A-F]{2})")


def same_reader(one: str, other: str) -> bool:
    """Whether two names are certainly those of one reader: equal, or of one serial number."""
    return one == other or (_serial(one) is not None and _identity(one) == _identity(other))


def answers_to(reader: str, wanted: str) -> bool:
    """Whether a configuration or a person that says ``wanted`` means this reader.

    A name is enough without the numbers at its end, and so is the serial number alone.
    """
    return (
        same_reader(reader, wanted)
        or wanted == _serial(reader)
        or wanted == reader.removesuffix(_numbers(reader))
    )


def _identity(reader: str) -> tuple[str, str | None, str]:
    match = _NAME.fullmatch(reader)
    return (match["model"], match["serial"], match["slot"]) if match else (reader, None, "")


def _serial(reader: str) -> str | None:
    return _identity(reader)[1]


def _numbers(reader: str) -> str:
    return reader[-6:] if _NAME.fullmatch(reader) else ""


class Slots:
    """The slots of a station, numbered from 1; a slot is a reader's for good.

    Args:
        wanted: the readers of the configuration, one a lane, in order; none for every reader.
        kept: for every reader, the names of those that had a slot before, in order.
    """

    def __init__(self, wanted: Iterable[str] = (), kept: Iterable[str] = ()) -> None:
        self._wanted = list(wanted)
        self._every = not self._wanted
        # The name that the reader of a slot has or had; "" for one that has not come yet.
        self._names = list(kept) if self._every else [""] * len(self._wanted)
        self._there: set[str] = set()

    @property
    def names(self) -> list[str]:
        """The name that the reader of each slot has or had; "" for one that has not come yet."""
        return list(self._names)

    def knows(self, reader: str) -> bool:
        """Whether this reader certainly had a slot before."""
        return any(name and same_reader(name, reader) for name in self._names)

    def find(self, reader: str) -> int | None:
        """The slot of a reader that is there now; None when it has none."""
        slot = self._known(reader)
        if slot is None:
            slot = self._new(reader)
        if slot is not None:
            self._there.discard(self._names[slot - 1])
            self._names[slot - 1] = reader
            self._there.add(reader)
        return slot

    def leave(self, reader: str) -> int | None:
        """The slot of a reader that has gone: it keeps it for when the reader comes back."""
        self._there.discard(reader)
        return self._names.index(reader) + 1 if reader in self._names else None

    def _known(self, reader: str) -> int | None:
        named = [slot for slot, name in enumerate(self._names, 1) if name]
        for slot in named:
            if same_reader(self._names[slot - 1], reader):
                return slot
        # Without a serial number it is the one of its model that is missing, and has perhaps
        # come back under another number.
        if _serial(reader) is None:
            for slot in named:
                name = self._names[slot - 1]
                if name not in self._there and _identity(name) == _identity(reader):
                    return slot
        return None

    def _new(self, reader: str) -> int | None:
        if self._every:
            self._names.append("")
            return len(self._names)
        for slot, wanted in enumerate(self._wanted, 1):
            if not self._names[slot - 1] and answers_to(reader, wanted):
                return slot
        return None
