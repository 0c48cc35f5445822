"""Desk: the same line on the readers of a real pcscd of its own."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from kfasync.errors import ReaderError
from kfasync.sim.pcscd import SOCKET_VARIABLE, PrivatePcscd
from kfasync.sim.vpcd import VirtualCard
from tests.soak.line import LinedFob

PATIENCE_S = 30.0
LOOK_S = 0.1


class Desk:
    """Virtual readers, which outlive a station that is killed, as real ones do."""

    def __init__(self, directory: Path, lanes: int, fobs: Mapping[int, LinedFob]) -> None:
        self._pcscd = PrivatePcscd(directory / "pcscd", lanes)
        self.readers = tuple(self._pcscd.reader_names)
        self.environment = {SOCKET_VARIABLE: str(self._pcscd.socket_path)}
        self._fobs = fobs
        self._lock = threading.Lock()
        self._cards: dict[str, tuple[int, VirtualCard]] = {}

    def __enter__(self) -> Self:
        self._pcscd.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for reader in self.readers:
            self.remove(reader)
        self._pcscd.stop()

    def arguments(self) -> tuple[str, ...]:
        """What comes before ``run`` on the command line of a station."""
        return ("-m", "kfasync")

    def place(self, reader: str, number: int) -> None:
        until = time.monotonic() + PATIENCE_S
        card = VirtualCard(self._fobs[number], self._pcscd.port(reader))
        while True:
            try:
                card.insert()
                break
            except ReaderError:
                # pcscd is being restarted, and tells nobody when it listens.
                assert time.monotonic() < until
                threading.Event().wait(LOOK_S)
        with self._lock:
            self._cards[reader] = number, card

    def remove(self, reader: str) -> None:
        with self._lock:
            _, card = self._cards.pop(reader, (0, None))
        if card is not None:
            card.remove()

    def lies(self, reader: str, number: int) -> bool:
        with self._lock:
            there, card = self._cards.get(reader, (0, None))
        return there == number and card is not None and card.is_inserted()

    def restart(self) -> None:
        """End pcscd and start it again: all fobs that lie there have left the field."""
        with suppress(ReaderError):
            self._pcscd.restart()
