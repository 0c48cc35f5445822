"""The page's process: started, started again when it dies, and ended with the station."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from kfasync.station.follower import Notice
from kfasync.web.settings import Settings

LOG_NAME = "page.log"
TOPIC = "page"
_AGAIN_S = 0.25  # after an end, and twice as long after each that follows soon
_AGAIN_MAX_S = 10.0
_LIVED_S = 30.0  # who has lived for so long did not die of its start
_GRACE_S = 1.0  # for its own end, when the station's has told it
_PATIENCE_S = 5.0  # with a kill


class Keeper:
    """Keeps the page's process alive while its context is open; it runs in a thread of its own.

    Args:
        tell: told when the process has died, and when the next one has lived for a while.
    """

    def __init__(self, settings: Settings, tell: Callable[[Notice], None]) -> None:
        self._settings = settings
        self._tell = tell
        self._closing = threading.Event()
        self._lock = threading.Lock()  # between the start of a process and its end
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._start()
        self._thread = threading.Thread(target=self._keep, name="kfasync keeper", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._closing.set()
            process = self._process
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_S)
            process.kill()  # also one that was stopped, and does not know that it is at its end
        self._thread.join(_PATIENCE_S)

    def _start(self) -> None:
        with self._lock:
            if self._closing.is_set():
                return
            # Its last words are kept for whoever looks for them; a terminal shows the board.
            with (Path(self._settings.directory) / LOG_NAME).open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "kfasync.web"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    pass_fds=(self._settings.descriptor,),
                    # Ctrl-C at the terminal is the station's, which ends it when it is done.
                    start_new_session=True,
                    env={**os.environ, "PYTHONUNBUFFERED": "1"},
                )
            assert self._process.stdin is not None
            # It fits into a pipe, so that nobody is waited for.
            with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
                pipe.write(msgspec.json.encode(self._settings))

    def _keep(self) -> None:
        again_s = _AGAIN_S
        while not self._closing.is_set() and (process := self._process) is not None:
            began_s = time.monotonic()
            code = process.wait()
            if self._closing.is_set():
                return
            if time.monotonic() - began_s > _LIVED_S:
                again_s = _AGAIN_S
            self._tell(
                Notice(TOPIC, f"its process has ended ({_how(code)}) and is started again", True)
            )
            if self._closing.wait(again_s):
                return
            again_s = min(2 * again_s, _AGAIN_MAX_S)
            self._start()
            self._tell(Notice(TOPIC, "", warning=True))


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}, see {LOG_NAME} in data_dir"
