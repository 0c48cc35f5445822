"""Keys that are pressed at the terminal, one by one."""

import os
import sys
from collections.abc import Callable

import anyio

if sys.platform == "win32":
    import msvcrt
else:
    import termios
    import tty

_LOOK_S = 0.1


async def watch(pressed: Callable[[str], None]) -> None:
    """Call ``pressed`` on the event loop with each key, until cancelled.

    Returns at once where standard input is no terminal, or is another program's.
    """
    if not sys.stdin.isatty():
        return
    if sys.platform == "win32":
        while True:
            await anyio.sleep(_LOOK_S)
            while msvcrt.kbhit():
                pressed(msvcrt.getwch())
    descriptor = sys.stdin.fileno()
    if not _is_in_the_foreground(descriptor):
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)  # Ctrl-C stays a signal
        while True:
            await anyio.wait_readable(descriptor)
            typed = os.read(descriptor, 64)
            if not typed:
                return
            for key in typed.decode(errors="ignore"):
                pressed(key)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _is_in_the_foreground(descriptor: int) -> bool:
    """Whether this process may touch the terminal; one in the background would be stopped."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # it is not the terminal of this session
        return False


class ResumePrompt:
    """The one thing that is typed at a board: which stopped lane goes on.

    ``r`` asks, digits and Enter answer, anything else takes it back: no lane is resumed by one
    key that somebody's sleeve has pressed.

    Args:
        stopped: the slots of the lanes that are stopped now.
        resume: told the slot.
        show: told what is to be shown of it; "" for nothing.
    """

    def __init__(
        self,
        stopped: Callable[[], list[int]],
        resume: Callable[[int], None],
        show: Callable[[str], None],
    ) -> None:
        self._stopped = stopped
        self._resume = resume
        self._show = show
        self._asked = False
        self._typed = ""

    def press(self, key: str) -> None:
        """Take in a key."""
        if not self._asked:
            stopped = self._stopped()
            if key.lower() == "r" and stopped:
                self._asked = True
                self._typed = str(stopped[0]) if len(stopped) == 1 else ""
        elif key in "\r\n":
            self._asked, typed = False, self._typed
            if typed:
                self._resume(int(typed))
        elif key.isdecimal():
            self._typed += key
        elif key in "\b\x7f":
            self._typed = self._typed[:-1]
        else:
            self._asked = False
        words = f"resume lane {self._typed}_   (Enter; any other key: no)"
        self._show(words if self._asked else "")
