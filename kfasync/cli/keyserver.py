"""A reference key server with a PKI of its own, as a process beside a demo."""

import queue
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from kfasync.cli.klms import fill_pool, softhsm_module
from kfasync.core.profile import CardProfile
from kfasync.errors import SourceUnavailableError
from kfasync.klms.development import STATION_CONFIG, Plan, make

STATION = "EOL-01"
_START_S = 30.0  # a slow machine imports an HTTP server for a few seconds
_STOP_S = 5.0
_NO_PORT = "https://localhost:0"


class KeyServer:
    """Made in an empty directory, filled, and served until the context is left.

    Args:
        containers: directories of content, which become the pool.
        certificates: the two CA certificates.
        lease_ms, ends_ms: how long it takes over each request of the kind.

    Attributes:
        config: the station.toml of a station that fits.
        where: the key store, for a sentence.
        url: once it serves.
    """

    def __init__(
        self,
        directory: Path,
        containers: Path,
        certificates: Path,
        *,
        lease_ms: int = 0,
        ends_ms: int = 0,
    ) -> None:
        self._log = directory / "klms.log"
        self._directory = directory / "klms"
        module = softhsm_module(wanted=None)
        loaded = make(self._directory, Plan(stations=(STATION,), port=0, module=module))
        if any(containers.iterdir()):
            fill_pool(loaded, containers, certificates, CardProfile().name)
        self.config = self._directory / STATION_CONFIG
        self.where = "a SoftHSM token" if module else "the memory of the server"
        self.url = ""
        self._slowness = ("--lease-ms", str(lease_ms), "--ends-ms", str(ends_ms))
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            # In a session of its own: Ctrl-C stops the station, which has ends to tell.
            self._process = process = subprocess.Popen(  # noqa: S603  # this program, our files
                [
                    *(sys.executable, "-m", "kfasync", "klms", "serve", "--quiet"),
                    *("--config", str(self._directory / "klms.toml")),
                    *self._slowness,
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        said = queue.SimpleQueue[str]()
        threading.Thread(target=_say_first_line, args=(process, said), daemon=True).start()
        try:
            line = said.get(timeout=_START_S)
        except queue.Empty:
            line = ""
        if not line.startswith("reference KLMS on "):
            self._stop()
            last = (self._log.read_text("utf-8").splitlines() or ["it says nothing"])[-1]
            raise SourceUnavailableError(f"the key server of the demo did not start: {last}")
        self.url = f"https://localhost:{line.strip().rpartition(':')[2]}"
        text = self.config.read_text("utf-8").replace(_NO_PORT, self.url)
        self.config.write_text(text, "utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self._process = None


def _say_first_line(process: subprocess.Popen[str], said: queue.SimpleQueue[str]) -> None:
    assert process.stdout is not None  # it is a pipe
    said.put(process.stdout.readline())
