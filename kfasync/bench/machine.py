"""What a figure was measured on: without that it says nothing."""

import importlib.metadata
import platform
from pathlib import Path

import msgspec
from cryptography.hazmat.backends.openssl import backend

_CPUINFO = Path("/proc/cpuinfo")
_PACKAGES = ("kfasync", "cryptography", "cffi", "yubikey-manager")


class Machine(msgspec.Struct, frozen=True):
    """Of libraries that are not installed the version is None."""

    cpu: str
    system: str
    python: str
    openssl: str
    versions: dict[str, str | None]


def this_machine() -> Machine:
    """The one that this runs on."""
    return Machine(
        cpu=_cpu(),
        system=f"{platform.system()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        openssl=" ".join(backend.openssl_version_text().split()[:2]),
        versions={package: version_of(package) for package in _PACKAGES},
    )


def version_of(package: str) -> str | None:
    """Of an installed package; None where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    """The model as Linux calls it; elsewhere whatever Python knows."""
    if not _CPUINFO.is_file():
        return platform.processor() or platform.machine()
    first, _, _ = _CPUINFO.read_text("utf-8", "replace").partition("\n\n")
    pairs = (line.partition(":") for line in first.splitlines())
    said = {name.strip(): value.strip() for name, _, value in pairs}
    if "model name" not in said:
        return platform.machine()
    # Virtual machines shorten the name; family and model still tell which one it is.
    return f"{said['model name']} (family {said.get('cpu family')}, model {said.get('model')})"
