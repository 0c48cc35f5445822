"""The integrator's guide: what it quotes is the example, and what it says to type works."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kfasync.acceptance.examiner import CHECKS
from tests.acceptance.examined import EXAMPLE
from tests.native_build import NATIVE, ROOT

GUIDE = (ROOT / "docs" / "provider.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)\n```$", GUIDE, re.DOTALL | re.MULTILINE)


def test_the_pieces_of_the_guide_are_the_whole_example() -> None:
    assert "\n\n".join(blocks("c")) + "\n" == EXAMPLE.read_text("utf-8")


def test_what_the_guide_says_to_type_builds_and_passes(tmp_path: Path) -> None:
    (tmp_path / "native").symlink_to(NATIVE)
    (script,) = blocks("sh")
    script = script.replace(
        "kfasync provider", f"{shlex.quote(sys.executable)} -m kfasync provider"
    )
    shell = shutil.which("sh")
    assert shell is not None
    ended = subprocess.run(
        [shell, "-e", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"all {len(CHECKS)} checks passed" in ended.stdout


@pytest.mark.parametrize("standard", ["c99", "c11", "c17", "c++98", "c++11", "c++20"])
def test_the_header_is_taken_by_every_standard(standard: str, tmp_path: Path) -> None:
    source = tmp_path / ("header.cc" if "++" in standard else "header.c")
    source.write_text('#include "kf_provider.h"\n', "utf-8")
    compiler = shutil.which("clang++" if "++" in standard else "cc")
    assert compiler is not None
    flags = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only")
    subprocess.run(
        [compiler, f"-std={standard}", *flags, f"-I{NATIVE / 'include'}", source], check=True
    )


def test_every_check_and_its_reason_stand_in_the_guide() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", GUIDE, re.MULTILINE)
    assert rows == [(check.name, check.reason) for check in CHECKS]
    assert f"All {len(CHECKS)} checks pass." in GUIDE
    assert f"up to {sum(check.contents for check in CHECKS)} contents" in GUIDE
