"""``[shift]`` of the configuration: what has to be right before a batch starts."""

import re

import msgspec

from kfasync.station.keys import KeysSection

_UID = re.compile(r"([0-9A-Fa-f]{2}){4,10}")


class ShiftSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[shift]``; with it a station provisions no fob while a check is red or a reference due.

    Attributes:
        golden, known_bad: UIDs of reference fobs, in hex: one of each has to be found good, and to
            be refused. Whatever is found, none of them is written.
        every_fobs, every_hours: when they are due again; None: at the start alone.
        keys: the static keys of the reference fobs; None: those of the source.
    """

    golden: tuple[str, ...] = ()
    known_bad: tuple[str, ...] = ()
    every_fobs: int | None = None
    every_hours: float | None = None
    keys: KeysSection | None = None

    def __post_init__(self) -> None:
        for uid in self.references:
            if not _UID.fullmatch(uid):
                raise ValueError(f"golden and known_bad have {uid!r}, which is no UID in hex")
        if len({uid.upper() for uid in self.references}) < len(self.references):
            raise ValueError("golden and known_bad have one UID twice")
        if self.every_fobs is not None and self.every_fobs < 1:
            raise ValueError(f"every_fobs {self.every_fobs} is not above 0")
        if self.every_hours is not None and not 0 < self.every_hours <= 24 * 31:
            raise ValueError(f"every_hours {self.every_hours} is not above 0 and up to 744")
        if (self.every_fobs or self.every_hours) and not self.references:
            raise ValueError(
                "every_fobs and every_hours are of golden and known_bad; there is none"
            )

    @property
    def references(self) -> tuple[str, ...]:
        """All of their UIDs."""
        return self.golden + self.known_bad
