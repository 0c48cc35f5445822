"""What an operator should know before it becomes trouble; each thing is told once."""

import datetime
from collections.abc import Callable

SKEW_MAX_S = 60.0  # docs/klms.md: nothing is decided by the wall clocks, but records carry them

AWAY, CERTIFICATES, CLOCK = "key server", "certificates", "clock"


class Warnings:
    """Passes a warning on when it begins, changes or is over.

    Args:
        tell: given the topic, and the sentence or "" when there is nothing to warn of.
    """

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self._tell = tell
        self._told: dict[str, str] = {}

    def set(self, topic: str, sentence: str) -> None:
        """How things stand with a topic now."""
        if self._told.get(topic, "") != sentence:
            self._told[topic] = sentence
            self._tell(topic, sentence)

    def compare_clocks(self, server_time: str, now: datetime.datetime) -> None:
        """Warn when the server's clock is more than a minute away from this machine's.

        Args:
            server_time: as RFC 3339 has it; what cannot be read is passed over.
        """
        try:
            there = datetime.datetime.fromisoformat(server_time)
            off_s = (there - now).total_seconds()
        except (ValueError, TypeError):
            return
        if abs(off_s) <= SKEW_MAX_S:
            self.set(CLOCK, "")
            return
        side = "ahead of" if off_s > 0 else "behind"
        # To the minute: the sentence must not change with every fob.
        self.set(
            CLOCK,
            f"the key server's clock is {abs(off_s) / 60:.0f} minutes {side} this machine's; have "
            "both set by the same time server",
        )
