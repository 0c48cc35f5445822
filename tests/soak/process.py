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
        printed: what it prints beside its log is appended to this file.
    """

    def __init__(
        self,
        config: Path,
        before: Sequence[str],
        loop: str,
        hear: Callable[[Entry], None],
        printed: Path,
        environment: Mapping[str, str],
    ) -> None:
        self._hear = hear
        self._printed = printed
        # A pipe of its own: on standard output its lines would begin in the middle of others.
        ours, theirs = os.pipe()
        self._log = os.fdopen(ours, encoding="utf-8")
        try:
            with printed.open("ab") as output:
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, *before, "run", "--config", str(config)),
                        *("--loop", loop, "--log", f"/dev/fd/{theirs}", "--log-json"),
                    ],
                    stdout=output,
                    stderr=output,
                    pass_fds=(theirs,),
                    env={**os.environ, **environment},
                )
        finally:
            os.close(theirs)
        self._started = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def started(self) -> None:
        """Wait until its log begins."""
        assert self._started.wait(PATIENCE_S), self._printed.read_text("utf-8")

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
            self._log.close()
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
        for line in self._log:
            self._started.set()
            self._hear(json.loads(line))
