"""What is built where: with the C core, without it, and on a machine without a compiler."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("kfasync", "native", "setup.py", "build_native.py", "pyproject.toml", "README.md")


def copy(directory: Path) -> Path:
    """This tree as a fresh clone would be."""
    tree = directory / "tree"
    tree.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *SOURCES],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((ROOT / name).read_bytes())
    return tree


def build(directory: Path, environment: Mapping[str, str]) -> Path:
    """A wheel of this tree, made in a copy of it."""
    tree = copy(directory)
    pip = (sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-q")
    subprocess.run(
        [*pip, "--wheel-dir", directory, tree],
        check=True,
        capture_output=True,
        env={**os.environ, **environment},
    )
    (wheel,) = directory.glob("*.whl")
    return wheel


def run(wheel: Path, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line of what the wheel holds, and of nothing else of this tree."""
    installed = directory / "installed"
    if not installed.is_dir():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(installed)
    # Without `site`, which would lead back to this tree.
    path = os.pathsep.join([str(installed), sysconfig.get_path("purelib")])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-P", "-S", "-m", "kfasync", *arguments],
        capture_output=True, text=True, cwd=directory, env=environment, check=False,
    )  # fmt: skip


def install(directory: Path, environment: Mapping[str, str]) -> Path:
    """The Python of a new environment in which a copy of this tree is installed in place."""
    tree, venv = copy(directory), directory / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin" / "python"
    place = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    # Dependencies and pip are those of the tests. A .pth of theirs is not followed from here,
    # and so kfasync is that of the copy.
    (Path(place.stdout.strip()) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = (python, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "-q")
    subprocess.run(
        [*pip, "--editable", tree],
        check=True,
        capture_output=True,
        env={**os.environ, **environment},
    )
    return python


def test_with_a_compiler_there_is_one_wheel_for_every_python(tmp_path: Path) -> None:
    wheel = build(tmp_path, {})
    assert wheel.name.split("-")[2:4] == ["cp311", "abi3"]
    names = zipfile.ZipFile(wheel).namelist()
    assert "kfasync/_kf_core.abi3.so" in names
    assert "kfasync/_kf_provider.py" in names
    shown = run(wheel, tmp_path, "demo", "--fobs", "1", "--readers", "1")
    # pip would have to build pyscard on Linux: with it, no compiler would mean no kfasync.
    (metadata,) = (name for name in names if name.endswith("/METADATA"))
    required = zipfile.ZipFile(wheel).read(metadata).decode().splitlines()
    pyscard = [line for line in required if line.startswith("Requires-Dist: pyscard")]
    assert all('sys_platform != "linux"' in line or "extra ==" in line for line in pyscard)
    assert (shown.returncode, shown.stdout.splitlines()[0][:19]) == (0, "crypto path native-")


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"KFASYNC_NATIVE": "0"}, id="switched off"),
        pytest.param({"CC": "/bin/false"}, id="no compiler"),
    ],
)
def test_without_the_c_core_everything_else_works_and_says_so(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    wheel = build(tmp_path, environment)
    assert ("py3-none-any" in wheel.name) is ("KFASYNC_NATIVE" in environment)
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if "_kf_core" in name]
    assert "kfasync/_kf_provider.py" in names
    shown = run(wheel, tmp_path, "demo", "--fobs", "1", "--readers", "1")
    assert shown.returncode == 0, shown.stderr
    line = "crypto path cryptography (the C core is not built here"
    assert shown.stdout.splitlines()[0].startswith(line)
    tested = run(wheel, tmp_path, "self-test")
    assert tested.returncode == 0, tested.stderr
    assert "not available: the C core is not built here" in tested.stdout


def test_in_place_and_without_the_c_core_it_works_too(tmp_path: Path) -> None:
    python = install(tmp_path, {"KFASYNC_NATIVE": "0"})
    made = {path.name for path in (tmp_path / "tree" / "kfasync").glob("_kf_*")}
    assert made == {"_kf_provider.py"}
    shown = subprocess.run(
        [python, "-P", "-m", "kfasync", "demo", "--fobs", "1", "--readers", "1"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("crypto path cryptography (the C core is not built here")
