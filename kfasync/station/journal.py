"""What one attempt did, and when."""

import time

from kfasync.audit.record import StageTime, TranscriptEntry, now
from kfasync.core.effects import Exchange
from kfasync.model import Stage

# A fob takes some twenty commands. A card that answers without end is one to be known by its
# record, and not one that fills the disk with it.
ENTRIES_MAX = 600
ANSWERS_MAX = 32 * 1024  # bytes of data fields, over all entries


class Journal:
    """What one attempt did and when; filled in while it runs.

    Attributes:
        exchanges: how many there were; the transcript keeps the first ones and the last.
    """

    def __init__(self) -> None:
        self.started = now()
        self.transcript: list[TranscriptEntry] = []
        self.exchanges = 0
        self._room = ANSWERS_MAX
        self._zero = time.monotonic_ns()
        self._stages: list[tuple[Stage, str, int]] = []

    def enter(self, stage: Stage) -> None:
        """A stage begins, unless it is the one that runs already."""
        if not self._stages or self._stages[-1][0] is not stage:
            self._stages.append((stage, now(), self._elapsed_us()))

    def exchanged(self, exchange: Exchange, answer: bytes, took_us: int) -> None:
        """Write one exchange down, without what must not be known."""
        shown = exchange.command[:4] if exchange.confidential else exchange.command
        data, sw = answer[:-2], answer[-2:]
        kept = data[: self._room]
        if not exchange.confidential:
            self._room -= len(kept)
        self.exchanges += 1
        del self.transcript[ENTRIES_MAX - 1 :]
        self.transcript.append(
            TranscriptEntry(
                exchange.stage,
                shown.hex().upper(),
                len(exchange.command),
                sw.hex().upper(),
                None if exchange.confidential else kept.hex().upper(),
                len(data),
                took_us,
            )
        )

    def stages(self) -> tuple[StageTime, ...]:
        """The stages so far; the last one runs until now."""
        ends = [offset for _, _, offset in self._stages[1:]] + [self._elapsed_us()]
        return tuple(
            StageTime(stage, at, offset, end - offset)
            for (stage, at, offset), end in zip(self._stages, ends, strict=True)
        )

    def _elapsed_us(self) -> int:
        return (time.monotonic_ns() - self._zero) // 1000
