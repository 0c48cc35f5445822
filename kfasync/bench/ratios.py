"""The figures that are goals: one measured time over another of the same run.

Every ratio is of minima. Where one side was not measured the ratio is null, and says why.
"""

from collections.abc import Callable, Mapping

import msgspec

AESENC_ROUNDS = 10  # of AES-128: nine AESENC and an AESENCLAST, which takes as long
AESENC = "latency/aesenc"
FLOOR = "floor"
FOB_FLOOR = "fob floor"


class Ratio(msgspec.Struct, frozen=True):
    """``over`` divided by ``under``; of several names the fastest that was measured.

    Attributes:
        goal: on the machine that the documentation speaks of.
        text: the definition in words.
    """

    name: str
    goal: str
    over: tuple[str, ...]
    under: tuple[str, ...]
    text: str


class Result(msgspec.Struct, frozen=True):
    """A ratio's value, or why there is none."""

    ratio: Ratio
    value: float | None
    reason: str | None


def definitions(tier: str) -> tuple[Ratio, ...]:
    """All of them; ``tier`` is the fastest native one of this machine."""
    one_call = (f"fob/native-{tier}",)
    return (
        Ratio(
            "chain_over_floor",
            "<= 1.05",
            (f"chain/raw-{tier}",),
            (FLOOR,),
            "C-MAC chain of the 11 commands in C, over the floor",
        ),
        Ratio(
            "raw_fob_over_floor",
            "<= 1.20",
            (f"whole/raw-{tier}",),
            (FOB_FLOOR,),
            "a fob in C (keys loaded, session, 11 commands, slot wiped), over the fob's floor",
        ),
        Ratio(
            "one_bytes_over_raw",
            "<= 2.0",
            (f"whole/native-{tier}",),
            (f"whole/raw-{tier}",),
            "the same work called from Python, one bytes object out, over it in C",
        ),
        Ratio(
            "eleven_bytes_speedup_over_cryptography",
            ">= 10",
            ("fob/cryptography-copied", "fob/cryptography-new"),
            one_call,
            "session and 11 commands by the faster way with cryptography, over one native "
            "call with a bytes object out for each command",
        ),
        Ratio(
            "speedup_over_pure",
            ">= 500",
            ("fob/pure",),
            one_call,
            "session and 11 commands in pure Python, over the same native call",
        ),
        Ratio(
            "portable_over_aesni",
            "<= 40",
            ("whole/raw-portable",),
            ("whole/raw-aesni",),
            "a fob in C on the portable tier, over AES-NI",
        ),
        Ratio(
            "speedup_over_yubikit",
            ">= 30",
            ("fob/yubikit",),
            one_call,
            "session and 11 commands by yubikit, over the same native call",
        ),
    )


def with_floors(
    minima: Mapping[str, float], serial_blocks: int, fob_serial_blocks: int
) -> dict[str, float]:
    """The minima and, where AESENC was measured, the times that no implementation can beat.

    Each of so many blocks needs the one before, and each of its ten rounds the round before:
    the C-MACs of the STORE DATA commands are one such chain, and the end of the fob's longer one.
    """
    if AESENC not in minima:
        return dict(minima)
    block = AESENC_ROUNDS * minima[AESENC]
    return {**minima, FLOOR: serial_blocks * block, FOB_FLOOR: fob_serial_blocks * block}


def evaluate(ratio: Ratio, minima: Mapping[str, float], why_not: Callable[[str], str]) -> Result:
    """Divide, or say why that is not possible.

    Args:
        minima: nanoseconds by name, the floors with them.
        why_not: why there is no figure of a name.
    """
    sides = []
    for names in (ratio.over, ratio.under):
        measured = [minima[name] for name in names if name in minima]
        if not measured:
            return Result(ratio, None, why_not(names[0]))
        sides.append(min(measured))
    return Result(ratio, sides[0] / sides[1], None)
