"""Readers on a bus of USB for a private pcscd: with a serial number, and a cable to be pulled."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kfasync.sim.pcscd import PrivatePcscd
from tests.native_build import library

MODEL = "ACS ACR1252 1S CL Reader"
_SOURCES = Path(__file__).parent / "bus"
_PATIENCE_S = 20.0
_POLL_S = 0.01
_PLIST = f"""<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0">
<dict>
    <key>CFBundleExecutable</key>
    <string>reader.so</string>
    <key>ifdCapabilities</key>
    <string>0x00000000</string>
    <key>ifdManufacturerString</key>
    <string>kfasync</string>
    <key>ifdProductString</key>
    <string>tests</string>
    <key>ifdVendorID</key>
    <array><string>0x0001</string></array>
    <key>ifdProductID</key>
    <array><string>0x0001</string></array>
    <key>ifdFriendlyName</key>
    <array><string>{MODEL}</string></array>
</dict>
</plist>
"""


class UsbReaders:
    """The readers of a private pcscd, by their serial numbers.

    Attributes:
        ports: where a virtual card connects to each of them, plugged in or not.
    """

    def __init__(self, events: Path, ports: dict[str, int]) -> None:
        self.ports = ports
        self._events = events
        self._plugs = 0
        self._names: dict[str, str] = {}  # in sysfs, of those that are plugged in

    def plug(self, serial: str) -> None:
        """Plug a reader in; at another place of the bus each time."""
        self._plugs += 1
        self._tell(f"add {self._plugs}-1:1.0 {serial} {self.ports[serial]}")
        self._names[serial] = f"{self._plugs}-1:1.0"

    def unplug(self, serial: str) -> None:
        """Pull its cable, whatever it is doing."""
        self._tell(f"remove {self._names.pop(serial)} {serial} {self.ports[serial]}")

    def _tell(self, line: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bus:
            deadline = time.monotonic() + _PATIENCE_S
            while True:
                try:
                    bus.connect(str(self._events))
                except OSError:  # pcscd is still on its way up
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(_POLL_S)
                else:
                    bus.send(line.encode())
                    return


@contextmanager
def usb_pcscd(directory: Path, serials: list[str]) -> Iterator[UsbReaders]:
    """Run a pcscd in this directory whose readers are all on USB, and none of them plugged in."""
    made = library(
        *sorted(_SOURCES.glob("*.c")),
        flags=("-D_GNU_SOURCE", "-fvisibility=default", "-I/usr/include/PCSC"),
    )
    bundle = directory / "drivers" / "tests.bundle" / "Contents"
    (bundle / "Linux").mkdir(parents=True, exist_ok=True)
    (bundle / "Info.plist").write_text(_PLIST, "utf-8")
    # One file, loaded twice: what is preloaded and what pcscd opens as a driver is one library.
    (driver := bundle / "Linux" / "reader.so").unlink(missing_ok=True)
    driver.hardlink_to(made)
    events = directory / "usb.sock"
    environment = {
        "LD_PRELOAD": str(driver),
        "KF_USB_SOCKET": str(events),
        "KF_USB_DRIVERS": str(directory / "drivers"),
    }
    with ExitStack() as kept:
        ports = {serial: _keep_port(kept) for serial in serials}
        with PrivatePcscd(directory, 0, environment=environment):
            yield UsbReaders(events, ports)


def _keep_port(kept: ExitStack) -> int:
    """A TCP port that is the driver's for as long as this is kept: bound, and not listening."""
    one = kept.enter_context(socket.socket())
    one.bind(("127.0.0.1", 0))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return int(one.getsockname()[1])
