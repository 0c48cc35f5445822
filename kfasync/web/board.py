"""What the page knows at one moment, and what has changed since another.

    station's Board --Delta--> page's Board --Delta--> a browser
                                           \\--Delta--> ...

Every change has a number. A reader asks for what is new since the last number that it has seen, so
that nobody has a queue: a slow one gets the last state of each lane, and no result is left out.
The numbers are the station's, and stay when the page's process is started again.
"""

import threading
from collections import deque

import msgspec

from kfasync.web.view import Delta, Result, Strip, Tile, Totals

RESULTS_KEPT = 400  # a browser that is away for a quarter of an hour misses none at 16 lanes


class Board:
    """The last state of each lane and the last results; thread-safe.

    Args:
        epoch: names the run of the station that counts.
    """

    def __init__(self, epoch: str = "") -> None:
        self._lock = threading.Lock()
        self._epoch = epoch
        self._seq = 0
        self._tiles: dict[int, Tile] = {}
        self._results: deque[Result] = deque(maxlen=RESULTS_KEPT)
        self._strip = Strip()
        self._strip_seq = 0
        self._totals = Totals()
        self._totals_seq = 0

    @property
    def seq(self) -> int:
        """The number of the last change."""
        return self._seq

    def tile(self, slot: int) -> Tile | None:
        """How a lane stands; None when there is none yet."""
        return self._tiles.get(slot)

    def show(self, tile: Tile, result: Result | None = None, totals: Totals | None = None) -> None:
        """A lane stands so now, this has come of its fob, and these are the counts with it."""
        with self._lock:
            self._seq += 1
            self._tiles[tile.slot] = msgspec.structs.replace(tile, seq=self._seq)
            if result is not None:
                self._results.append(msgspec.structs.replace(result, seq=self._seq))
            if totals is not None:
                self._totals, self._totals_seq = totals, self._seq

    def see(self, slot: int, attempt: str) -> bool:
        """A person has seen that result; False when it is not shown any more, or was no failure."""
        with self._lock:
            tile = self._tiles.get(slot)
            if tile is None or tile.attempt != attempt or not tile.words.do:
                return False
            self._seq += 1
            self._tiles[slot] = msgspec.structs.replace(tile, seq=self._seq, seen=True)
            return True

    def show_strip(self, strip: Strip, totals: Totals | None = None) -> None:
        """The line's figures are these now, and the counts with them."""
        with self._lock:
            if totals is not None and totals != self._totals:
                self._seq += 1
                self._totals, self._totals_seq = totals, self._seq
            if strip != self._strip:
                self._seq += 1
                self._strip, self._strip_seq = strip, self._seq

    def since(self, epoch: str, seq: int) -> Delta:
        """What is new since then; everything, for one that has heard of another run or none."""
        with self._lock:
            whole = epoch != self._epoch or seq > self._seq
            if whole:
                seq = 0
            return Delta(
                epoch=self._epoch,
                seq=self._seq,
                whole=whole,
                tiles=tuple(one for _, one in sorted(self._tiles.items()) if one.seq > seq),
                results=tuple(one for one in self._results if one.seq > seq),
                strip=self._strip if whole or self._strip_seq > seq else None,
                totals=self._totals if whole or self._totals_seq > seq else None,
            )

    def merge(self, delta: Delta) -> None:
        """Take over what another board says is new."""
        with self._lock:
            if delta.whole:
                self._tiles.clear()
                self._results.clear()
            self._epoch, self._seq = delta.epoch, delta.seq
            self._tiles.update((tile.slot, tile) for tile in delta.tiles)
            self._results.extend(delta.results)
            if delta.strip is not None:
                self._strip, self._strip_seq = delta.strip, delta.seq
            if delta.totals is not None:
                self._totals, self._totals_seq = delta.totals, delta.seq
