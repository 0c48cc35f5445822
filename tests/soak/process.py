"""``kfasync run`` as the process that a soak starts, hears, measures and ends."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

PATIENCE_S = 60.0
Entry = dict[str, Any]  # of the station's log


class Size(msgspec.Struct, frozen=True):
    """How large a process is, after so many results of its own."""

    run: int
    results: int
    rss_kb: int
    threads: int
    files: int


class StationProcess:
    """A station that runs.

    Args:
        before: arguments of Python, up to what runs kfasync.
        hear: takes each entry of its log, in a thread of this process.
        printed: appended to; what it prints beside its log.
    """

    def __init__(
        self,
        config: Path,
        before: Sequence[str],
        loop: str,
        hear: Callable[[Entry], None],
        printed: list[str],
        environment: Mapping[str, str],
    ) -> None:
        self._hear = hear
        self._printed = printed
        self._process = subprocess.Popen(
            [
                *(sys.executable, *before, "run", "--config", str(config), "--loop", loop),
                *("--log", "/dev/stdout", "--log-json"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
        )
        self._started = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def started(self) -> None:
        """Wait until its log begins."""
        assert self._started.wait(PATIENCE_S), self._printed[-5:]

    def kill(self) -> None:
        """End it as a power cut does, and take in what it has said before."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as an operator does; its exit code."""
        return self._end(signal.SIGTERM)

    def end(self) -> None:
        """For good, if it still runs."""
        if self._process.returncode is None:
            self.kill()

    def _end(self, how: signal.Signals) -> int:
        self._process.send_signal(how)
        try:
            code = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(PATIENCE_S)
            raise
        finally:
            self._reader.join(PATIENCE_S)
            assert self._process.stdout is not None
            self._process.stdout.close()
        return code

    def size(self, run: int, results: int) -> Size | None:
        """How large it is now; None when it has ended."""
        proc = Path(f"/proc/{self._process.pid}")
        try:
            status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
            files = len(list((proc / "fd").iterdir()))
        except OSError:
            return None
        if "VmRSS" not in status:
            return None  # it is ending
        rss_kb = int(status["VmRSS"].split()[0])
        return Size(run, results, rss_kb, int(status["Threads"]), files)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                self._started.set()
                self._hear(json.loads(line))
            else:
                self._printed.append(line.rstrip("\n"))
