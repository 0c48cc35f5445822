"""What systemd wants to know of a service: ready, alive, stopping (sd_notify(3)).

A dozen lines instead of a dependency: the one that is packaged everywhere binds libsystemd.
"""

import os
import socket
from collections.abc import Mapping

import anyio


class ServiceManager:
    """The service manager that has started this process, if one has.

    Args:
        environment: of the process; ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID``
            say whether it listens, and how often it wants to hear that this is alive.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        # "@" is how an abstract name is written, whose first byte is 0.
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        self._watchdog_s = _watchdog_s(environment)

    def tell(self, state: str) -> None:
        """Say it, ``READY=1`` for one; nobody who does not listen is an error."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(state.encode(), self._address)
        except OSError:
            # It will miss the next one too, and act on that; the lanes have better things to do.
            return

    async def keep_alive(self) -> None:
        """Say for as long as the event loop goes on that it does, at twice the pace asked for."""
        if self._address and self._watchdog_s is not None:
            while True:
                self.tell("WATCHDOG=1")
                await anyio.sleep(self._watchdog_s / 2)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    try:
        meant = int(environment.get("WATCHDOG_PID", os.getpid())) == os.getpid()
        microseconds = int(environment.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return microseconds / 1e6 if meant and microseconds > 0 else None
