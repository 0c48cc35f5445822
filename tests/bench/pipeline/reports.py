"""Reports made by hand, with figures that can be worked out in the head."""

from kfasync.bench.pipeline.figures import PLACED, RESULT, Conditions, FobTimes, Report, Span

CONDITIONS = Conditions(
    lanes=2, fobs=4, card_ms=None, seed=7, loop="trio", crypto_path="cryptography"
)


def fob(number: int, *, lane_s: float = 0.5, fault: str = "") -> FobTimes:
    """A fob every second, with 0.4 s of card by the model, 0.45 s by the clock."""
    return FobTimes(
        reader=f"simulated {number % 2:02d}",
        uid=f"{number:014X}",
        placed_s=100.0 + number,
        latched_s=100.0 + number + lane_s,
        model_s=0.4,
        card_s=0.45,
        spans=(Span(PLACED, 0.01), Span("ReadUid", 0.45, 0.45), Span(RESULT, lane_s - 0.46)),
        fault=fault,
    )


def report(*fobs: FobTimes) -> Report:
    """One run: four fobs that passed, if nothing else is said."""
    return Report(
        conditions=CONDITIONS,
        fobs=fobs or tuple(fob(number) for number in range(4)),
        cpu_s=0.06,
        peak_rss_mb=80.0,
    )
