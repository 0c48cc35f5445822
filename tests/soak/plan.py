"""Plan: what happens on one day of the line, all of it drawn from a seed."""

import enum
import hashlib
import random
from typing import Final

import msgspec

COMMANDS: Final = 17  # of a fob whose content is as long as the fixtures'
FIRST_BLOCK, LAST_BLOCK = 5, 15


class Fate(enum.Enum):
    """What is wrong with a fob."""

    GOOD = "good"
    TORN = "torn"  # leaves the field at a command, and does not come back
    TORN_BACK = "torn, back on another lane"
    HUNG = "hung"  # does not answer a command
    DEFECTIVE = "defective"  # its memory fails
    WRONG_KEYS = "wrong keys"
    TWIN = "second of its UID"


class Incident(enum.Enum):
    """What happens to the line."""

    SIGKILL = "station killed by SIGKILL"
    SIGTERM = "station stopped by SIGTERM"
    KLMS_DOWN = "key server down"
    KLMS_CERTIFICATE = "key server's certificate swapped"
    UNPLUGGED = "reader unplugged"
    DISK_FULL = "disk full"
    PCSCD_RESTART = "pcscd restarted"


class PlannedFob(msgspec.Struct, frozen=True):
    """One fob; ``at`` is the command at which its fate strikes, from 1, where it has one."""

    number: int
    uid: str
    fate: Fate
    at: int = 0
    answered: bool = False  # torn off after the command was carried out, not before


class PlannedIncident(msgspec.Struct, frozen=True):
    """One incident, when so many fobs have had a result; ``lane`` is the one it is about."""

    after: int
    what: Incident
    lane: int = 0


class Plan(msgspec.Struct, frozen=True):
    """A day."""

    seed: int
    lanes: int
    fobs: tuple[PlannedFob, ...]
    incidents: tuple[PlannedIncident, ...]

    @property
    def fingerprint(self) -> str:
        """The same for the same day, and for no other."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]


INCIDENTS: Final = (
    Incident.SIGKILL,
    Incident.SIGKILL,
    Incident.SIGTERM,
    Incident.KLMS_DOWN,
    Incident.KLMS_CERTIFICATE,
    Incident.UNPLUGGED,
    Incident.DISK_FULL,
)


# A virtual reader has no cable; all of them go with the daemon.
PCSC_INCIDENTS: Final = (
    *(incident for incident in INCIDENTS if incident is not Incident.UNPLUGGED),
    Incident.PCSCD_RESTART,
)


def draw(seed: int, fobs: int, lanes: int, incidents: tuple[Incident, ...] = INCIDENTS) -> Plan:
    """The day of a seed: 5 % of the fobs torn, half of them back; 1 % each of the other fates."""
    dice = random.Random(seed)
    one, five = max(1, fobs // 100), max(2, fobs // 20)
    fates = [
        *[Fate.TORN] * (five - five // 2),
        *[Fate.TORN_BACK] * (five // 2),
        *[Fate.HUNG] * one,
        *[Fate.DEFECTIVE] * one,
        *[Fate.WRONG_KEYS] * one,
    ]
    fates += [Fate.GOOD] * (fobs - 1 - len(fates))
    dice.shuffle(fates)
    made = [_fob(number, fate, dice) for number, fate in enumerate(fates, 1)]
    elder = dice.choice([fob for fob in made if fob.fate is Fate.GOOD])
    made.insert(dice.randrange(fobs), PlannedFob(fobs, elder.uid, Fate.TWIN))
    # Spread over the middle of the day, so that each finds the line at work and leaves it time.
    order = list(incidents)
    dice.shuffle(order)
    share = fobs * 0.7 / max(1, len(order))
    when = [int(fobs * 0.08 + share * (place + dice.random() * 0.6)) for place in range(len(order))]
    return Plan(
        seed,
        lanes,
        tuple(made),
        tuple(
            PlannedIncident(after, what, dice.randrange(lanes))
            for after, what in zip(when, order, strict=True)
        ),
    )


def _fob(number: int, fate: Fate, dice: random.Random) -> PlannedFob:
    at = {
        Fate.TORN: dice.randint(1, COMMANDS),
        Fate.TORN_BACK: dice.randint(1, COMMANDS),
        Fate.HUNG: dice.randint(2, COMMANDS),
        Fate.DEFECTIVE: dice.randint(FIRST_BLOCK, LAST_BLOCK),
    }.get(fate, 0)
    uid = "04" + number.to_bytes(2).hex().upper() + dice.randbytes(4).hex().upper()
    return PlannedFob(number, uid, fate, at, answered=dice.random() < 0.5)
