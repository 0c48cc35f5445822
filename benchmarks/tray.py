"""A process that places fobs on a virtual reader, so that their work is not measured.

Each line on standard input is an order, each line on standard output its receipt:
``fob`` places a new development sample, ``recorded`` a card that only answers with the right
number of bytes, ``none`` leaves the reader empty.
"""

import secrets
import sys
from pathlib import Path

from kfasync.sim.fob import SimulatedFob
from kfasync.sim.vpcd import Fob, VirtualCard
from kfasync.station.config import TEMPLATE, StationConfig

ANSWERS = {b"\xff\xca": 7, b"\x00\xa4": 17, b"\x80\x50": 32}  # bytes of data, by CLA and INS


class Recorded:
    """Answers 9000 with as much data as a fob would."""

    def __init__(self, atr: bytes) -> None:
        self.atr = atr

    def reset(self) -> None:
        """Nothing to forget."""

    def transmit(self, command: bytes) -> bytes:
        """The right number of bytes."""
        return bytes(ANSWERS.get(command[:2], 0)) + b"\x90\x00"

    def seconds(self, command: bytes, answer: bytes) -> float:
        """At once."""
        return 0.0


def main() -> None:
    """Serve the reader at the port that is the only argument."""
    port = int(sys.argv[1])
    config = StationConfig.parse(TEMPLATE, Path(), "the template")
    keys = config.key_set()
    card: VirtualCard | None = None
    for order in sys.stdin:
        if card is not None:
            card.remove()
        sample = SimulatedFob(uid=b"\x04" + secrets.token_bytes(6), keys=keys)
        fob: Fob = sample if order.strip() == "fob" else Recorded(sample.atr)
        card = None
        if order.strip() != "none":
            card = VirtualCard(fob, port)
            card.insert()
        print(order.strip(), flush=True)


if __name__ == "__main__":
    main()
