"""The most memory that this process has had, from a moment on."""

import importlib
import re
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): sets the high-water mark to what is resident now
_MIB = 1 << 20


def forget_peak() -> None:
    """Begin to measure now; where the system cannot forget, the peak is that of the process."""
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return


def peak_rss_mb() -> float | None:
    """The most that was resident, in MiB; None where the system does not say."""
    if _STATUS.is_file():
        found = re.search(r"(?m)^VmHWM:\s*(\d+) kB$", _STATUS.read_text("ascii"))
        return int(found[1]) * 1024 / _MIB if found else None
    try:
        resource = importlib.import_module("resource")
    except ImportError:
        return None
    most: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In bytes on macOS, in KiB everywhere else.
    return most / _MIB if sys.platform == "darwin" else most * 1024 / _MIB
