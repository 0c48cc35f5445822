"""Providers compiled for the tests, each once in a session, outside of the source tree."""

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.station.desks import furnish, keys_of

ROOT = Path(__file__).parents[1]
NATIVE = ROOT / "native"
PROVIDERS = ROOT / "tests" / "providers"

_FLAGS = ("-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-fvisibility=hidden")
# What they need of the core: a certificate has the public point of its scalar.
_PARTS = {"hostile": ("p256", "p256_field", "wipe")}
_LINK = ("-shared", "-pthread", f"-I{NATIVE / 'include'}", f"-I{NATIVE / 'src'}")


def broken_provider(name: str, *flags: str) -> Path:
    """The library made of ``tests/providers/<name>.c``, with further flags of the compiler."""
    parts = [NATIVE / "src" / f"{part}.c" for part in _PARTS.get(name, ())]
    return library(PROVIDERS / f"{name}.c", *parts, flags=flags)


def reference_provider() -> Path:
    """The provider that is shipped as an example, with the parts of the core that it uses."""
    return library(
        *sorted((NATIVE / "provider").glob("*.c")), *sorted((NATIVE / "src").glob("*.c"))
    )


def stock(directory: Path, containers: int) -> dict[str, Any]:
    """Content for the reference provider in a directory, and the configuration that names it."""
    loaded = furnish(directory, containers)
    keys = keys_of(loaded)
    block = b"".join(
        bytes((tag,)) + len(key).to_bytes(2, "big") + key.expose()
        for tag, key in ((1, keys.enc), (2, keys.mac), (3, keys.dek))
    )
    (directory / "keys.bin").write_bytes(block)
    return {
        "containers": str(directory / "containers"),
        "certificates": str(directory / "certificates"),
        "state": str(directory / "state"),
        "keys": str(directory / "keys.bin"),
        "kvn": keys.kvn,
    }


@functools.cache
def library(*sources: Path, flags: tuple[str, ...] = ()) -> Path:
    """A shared library made of these files with the system's compiler."""
    target = _directory() / f"{len(list(_directory().iterdir()))}-{sources[0].stem}.so"
    compiler = os.environ.get("CC", "cc")
    command = [compiler, *_FLAGS, *_LINK, *flags, *map(str, sources)]
    made = subprocess.run(
        [*command, "-o", str(target)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return target


@functools.cache
def reference_parts() -> tuple[Path, ...]:
    """The reference provider compiled once, with its entry out of the way of another."""
    directory = _directory() / "reference"
    directory.mkdir()
    sources = [path for room in ("provider", "src") for path in (NATIVE / room).glob("*.c")]
    subprocess.run(
        [
            *(os.environ.get("CC", "cc"), "-std=c11", "-O1", "-fPIC", "-pthread"),
            *("-fvisibility=hidden", "-Dkf_provider_entry=reference_entry"),
            *(f"-I{NATIVE / 'include'}", "-c", *map(str, sources)),
        ],
        cwd=directory,
        check=True,
    )
    return tuple(sorted(directory.iterdir()))


@functools.cache
def _directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="kfasync-native-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
