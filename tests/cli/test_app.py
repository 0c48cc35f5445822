import subprocess
import sys

import pytest

import kfasync
from tests.cli.terminal import Run


def test_version_is_the_package_s(run: Run) -> None:
    assert run("--version") == (0, f"kfasync {kfasync.__version__}\n", "")


def test_help_names_every_command_and_exit_code(run: Run) -> None:
    ended = run("--help")
    assert ended.code == 0
    for word in ("demo", "self-test", "provision", "readers", "containers", "fob", "config"):
        assert word in ended.out
    assert "4 reader or card link" in ended.out


@pytest.mark.parametrize("arguments", [["no-such-command"], ["provision", "--no-such-option"]])
def test_wrong_usage_ends_with_2(run: Run, arguments: list[str]) -> None:
    ended = run(*arguments)
    assert ended.code == 2
    assert not ended.out


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kfasync", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"kfasync {kfasync.__version__}\n",
        "",
    )


def test_help_is_short_too_and_shows_no_types_of_flags(run: Run) -> None:
    ended = run("run", "-h")
    assert ended.code == 0
    flag = next(line for line in ended.out.splitlines() if "--log-json" in line)
    assert "<bool>" not in flag
    assert "<list" not in run("klms", "serve", "--help").out
