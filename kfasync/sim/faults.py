"""What can go wrong with a simulated fob, and how long its answers take."""

import enum
from collections.abc import Iterable

import msgspec


class TornOff(Exception):  # noqa: N818  # an event of the physical world, not an error
    """The fob left the field: no answer, and its volatile state is gone."""


class Hung(Exception):  # noqa: N818  # likewise
    """The fob is in the field and will never answer this command."""


class FaultKind(enum.Enum):
    """What happens at the command that a :class:`Fault` names."""

    STATUS_WORD = "status-word"  # answered with Fault.sw, not carried out
    TORN_BEFORE = "torn-before"  # leaves the field before the command is carried out
    TORN_AFTER = "torn-after"  # carried out, but leaves before the answer gets out
    HUNG = "hung"  # not carried out, never answered
    SLOW = "slow"  # carried out and answered after Fault.delay_s more
    WRONG_CRYPTOGRAM = "wrong-cryptogram"  # INITIALIZE UPDATE answers a false card cryptogram
    MORE_DATA = "more-data"  # answers 61xx; the data wait for GET RESPONSE
    WRONG_LE = "wrong-le"  # answers 6Cxx; the command again, with that Le, is carried out
    NO_R_MAC = "no-r-mac"  # 9000 without the R-MAC that the security level demands
    WRONG_R_MAC = "wrong-r-mac"  # 9000 with one bit of the R-MAC changed


class Fault(msgspec.Struct, frozen=True):
    """One fault, which happens once in the fob's life.

    ``at`` counts every command APDU that reaches the fob since it was last placed or reset,
    from 1, whatever the command is. A kind that has no meaning for that command (a false
    card cryptogram in SELECT, 61xx or 6Cxx where there are no data) does not happen then
    and may when the count comes by again.
    """

    kind: FaultKind
    at: int
    sw: int = 0
    delay_s: float = 0.0


class FaultPlan:
    """The faults of one fob that have not happened yet.

    Attributes:
        commands: how many commands have come since the last reset, this one included.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.commands = 0
        self._ahead = list(faults)

    def add(self, fault: Fault) -> None:
        """One more, behind those that are ahead."""
        self._ahead.append(fault)

    def now(self, kind: FaultKind) -> Fault | None:
        """The fault of this kind that happens at this command; asking makes it happen."""
        for position, fault in enumerate(self._ahead):
            if fault.kind is kind and fault.at == self.commands:
                return self._ahead.pop(position)
        return None


class Timing(msgspec.Struct, frozen=True):
    """How long a fob takes: a fixed part per command, the air, and the writing.

    The defaults of ``NFC`` are those of an ISO/IEC 14443-4 card at 424 kbit/s with a
    smart-card flash: they put one fob of 1.7 kB at roughly 600 ms.
    """

    command_s: float = 0.0
    air_byte_s: float = 0.0
    written_byte_s: float = 0.0

    def seconds(self, command: bytes, answer: bytes, written: int) -> float:
        """Time from the last bit of the command to the last bit of the answer."""
        air = len(command) + len(answer)
        return self.command_s + air * self.air_byte_s + written * self.written_byte_s


IMMEDIATE = Timing()
NFC = Timing(command_s=0.018, air_byte_s=0.000025, written_byte_s=0.00013)
