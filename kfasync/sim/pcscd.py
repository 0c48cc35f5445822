"""A pcscd of one's own with virtual readers: no root, no systemd, nothing shared.

pcscd takes its socket as systemd hands it over: listening, as file descriptor 3, with
LISTEN_FDS and LISTEN_PID in the environment (sd_listen_fds(3)). Handing it over ourselves is
what makes a second pcscd possible on one machine. Clients find it by PCSCLITE_CSOCK_NAME,
which libpcsclite reads once in the life of a process.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

from kfasync.errors import ReaderError

SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"
MAX_SLOTS = 16  # of pcsc-lite, which drops every further reader without a word

_DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
_SOCKET_PATH_LIMIT = 107  # sun_path of unix(7), less the closing zero
_NOTHING: Mapping[str, str] = MappingProxyType({})
_START_S = 10.0
_STOP_S = 5.0

# The shell is there because LISTEN_PID must be known before pcscd runs; exec keeps it.
_START = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" -f -c "$1" 3<&0 </dev/null'


class PrivatePcscd:
    """One pcscd process with virtual readers, for `kfasync.sim.vpcd` to place fobs on.

    Args:
        directory: of its socket, configuration, drivers and log; made when missing. Keep it
            short: the socket's path may have 107 bytes.
        slots: how many readers, 16 at most. vpcd's readers come in pairs, so an odd number
            gets one more.
        program: pcscd, by path or as found in PATH.
        driver: vpcd's driver.
        environment: what it finds there besides.

    Raises:
        ReaderError: pcscd or vpcd is not installed.
    """

    def __init__(
        self,
        directory: Path,
        slots: int = 2,
        *,
        program: str = "pcscd",
        driver: Path = _DRIVER,
        environment: Mapping[str, str] = _NOTHING,
    ) -> None:
        if not 0 <= slots <= MAX_SLOTS:
            raise ValueError(f"pcscd has at most {MAX_SLOTS} readers, not {slots}")
        self.directory: Final = directory.absolute()
        self.socket_path: Final = self.directory / "pcscd.comm"
        if len(os.fsencode(self.socket_path)) > _SOCKET_PATH_LIMIT:
            raise ValueError(f"{self.socket_path}: a socket's path has {_SOCKET_PATH_LIMIT} bytes")
        self._program = _installed(program)
        if not driver.is_file():
            raise ReaderError(f"no vpcd driver at {driver}: apt install vsmartcard-vpcd")
        self._driver = driver
        self._environment = environment
        self._pair_count = (slots + 1) // 2
        self._pairs: list[_PortPair] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def reader_names(self) -> list[str]:
        """The readers as PC/SC calls them."""
        return [f"{_label(pair)} 00 0{slot}" for pair in range(self._pair_count) for slot in (0, 1)]

    @property
    def log_path(self) -> Path:
        """Where pcscd writes what it has to say."""
        return self.directory / "pcscd.log"

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process, which must have been started."""
        if self._process is None:
            raise ValueError("pcscd was not started")
        return self._process.pid

    def port(self, reader_name: str) -> int:
        """The TCP port at which this reader waits for a virtual card, from start to stop."""
        if not self._pairs:
            raise ValueError("pcscd was not started")
        pair, slot = divmod(self.reader_names.index(reader_name), 2)
        return self._pairs[pair].first + slot

    def start(self) -> None:
        """Start, and return when all readers are there; harmless when it runs.

        Raises:
            ReaderError: pcscd does not come up; its log says why.
        """
        if self.is_running():
            return
        if not self._pairs:
            self._pairs = [_PortPair() for _ in range(self._pair_count)]
        self._furnish()
        self.socket_path.unlink(missing_ok=True)
        # Our own copy of the listening socket must go: while anybody holds it, a client of a
        # dead pcscd would wait for an answer instead of being refused.
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening,
            self.log_path.open("ab") as log,
        ):
            listening.bind(os.fspath(self.socket_path))
            listening.listen(socket.SOMAXCONN)
            self._process = subprocess.Popen(  # noqa: S603  # a fixed script and our own paths
                ["/bin/sh", "-c", _START, self._program, os.fspath(self._configuration)],
                stdin=listening.fileno(),
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
            )
        try:
            self._await_readers(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End pcscd, remove its socket and give back its ports; harmless when it does not run."""
        self._end(signal.SIGTERM)
        self.socket_path.unlink(missing_ok=True)
        for pair in self._pairs:
            pair.close()
        self._pairs = []

    def kill(self) -> None:
        """End pcscd as a crash would: at once, and the socket stays behind."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """End pcscd, if it still runs, and start it on the same socket path and ports."""
        self._end(signal.SIGTERM)
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _configuration(self) -> Path:
        return self.directory / "conf"

    def _furnish(self) -> None:
        self._configuration.mkdir(parents=True, exist_ok=True)
        entries = []
        for index, pair in enumerate(self._pairs):
            # vpcd keeps its connections in globals by slot. Loaded from one path, the driver
            # would be one for all entries, and the last would silently win.
            driver = self.directory / f"libifdvpcd{index}.so"
            shutil.copyfile(self._driver, driver)
            entries.append(
                f'FRIENDLYNAME "{_label(index)}"\n'
                f"DEVICENAME /dev/null:{pair.first}\n"
                f"LIBPATH {driver}\n"
                f"CHANNELID {pair.first}\n"
            )
        (self._configuration / "vpcd").write_text("\n".join(entries))

    def _await_readers(self, process: subprocess.Popen[bytes]) -> None:
        ports = {pair.first + slot for pair in self._pairs for slot in (0, 1)}
        deadline = time.monotonic() + _START_S
        while not ports <= _listening_ports(process.pid):
            try:
                process.wait(timeout=0.01)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline:
                    continue
            raise ReaderError(f"pcscd did not bring up its virtual readers: see {self.log_path}")

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class _PortPair:
    """Two neighbouring TCP ports, kept for vpcd as long as this lives.

    A bound socket that does not listen takes no connections, but keeps the port from everybody
    who does not set SO_REUSEADDR as vpcd does. Set only after bind, or bind might choose a port
    that somebody else keeps in the same way.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        while len(self._sockets) < 2:
            self.close()
            try:
                self.first = self._keep(0)
                self._keep(self.first + 1)
            except (OSError, OverflowError):
                self.close()  # the neighbour is taken, or beyond 65535

    def _keep(self, port: int) -> int:
        kept = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sockets.append(kept)
        kept.bind(("0.0.0.0", port))  # noqa: S104  # as vpcd binds; it never listens
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return int(kept.getsockname()[1])

    def close(self) -> None:
        for kept in self._sockets:
            kept.close()
        self._sockets.clear()


def _label(pair: int) -> str:
    return f"Virtual {pair:02}"


def _installed(program: str) -> str:
    # /usr/sbin, where it lives, is not in everybody's PATH.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    found = shutil.which(program, path=path)
    if found is None:
        raise ReaderError(f"{program} is not installed: apt install pcscd vsmartcard-vpcd")
    return found


def _listening_ports(pid: int) -> set[int]:
    """The TCP ports on which this very process listens (proc(5))."""
    inodes = set()
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed while we looked
                if found := re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink())):
                    inodes.add(found[1])
    except OSError:
        return set()  # the process has gone
    # Columns: 1 local address:port, 3 state (0A is LISTEN), 9 inode.
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and row[9] in inodes}
