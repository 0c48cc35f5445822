"""``kfasync run`` as a process, with simulated readers and fobs as slow as NFC."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.pcscd.floor import write_config

PATIENCE_S = 60.0


def write_simulated(directory: Path, lanes: int, made: int) -> Path:
    """A configuration with so many simulated readers and containers."""
    config = write_config(directory, made=made)
    more = '\n[[lane]]\nreader = "simulated"\n' * lanes
    config.write_text(config.read_text("utf-8") + more, "utf-8")
    return config


class Running:
    """A station that runs, and what it prints.

    Attributes:
        lines: printed so far.
        process: the station's.
    """

    def __init__(self, config: Path, *options: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kfasync", "run", "--config", str(config), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )
        self._printed: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def until(self, words: str) -> str:
        """The next line with these words in it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            line = self._printed.get(timeout=max(deadline - time.monotonic(), 0.001))
            assert line is not None, f"{words!r} was never printed: {self.lines}"
            if words in line:
                return line

    def listen(self, seconds: float) -> None:
        """Take in what it prints for that long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                if self._printed.get(timeout=left) is None:
                    return
            except queue.Empty:
                return

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for its end; the exit code."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._printed.put(self.lines[-1])
        self._printed.put(None)
