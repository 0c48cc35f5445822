import json
import subprocess
import sys

from kfasync.cards.refusal import NO_PYSCARD
from kfasync.sim.pcscd import SOCKET_VARIABLE, PrivatePcscd
from tests.cli.terminal import Run
from tests.pcscd.floor import kfasync


def test_readers_are_listed(run: Run, pcscd: PrivatePcscd) -> None:
    ended = run("readers")
    assert ended == (0, "".join(f"{name}\n" for name in pcscd.reader_names), "")
    assert json.loads(run("readers", "--json").out) == pcscd.reader_names


def test_without_pcscd_it_is_one_sentence() -> None:
    ended = kfasync("readers", environment={SOCKET_VARIABLE: "/nonexistent/pcscd.comm"})
    assert ended.returncode == 4
    assert not ended.stdout
    assert ended.stderr.count("\n") == 1
    assert "pcscd" in ended.stderr


HIDDEN = """
import sys
sys.modules["smartcard"] = None
from kfasync.cli.app import main
main(sys.argv[1:])
"""


def without_pyscard(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command line where pyscard is not installed, as on Linux without the extra."""
    return subprocess.run(
        [sys.executable, "-c", HIDDEN, *arguments], capture_output=True, text=True, check=False
    )


def test_without_pyscard_it_says_what_to_install() -> None:
    ended = without_pyscard("readers")
    assert (ended.returncode, ended.stdout) == (4, "")
    assert ended.stderr == f"kfasync: {NO_PYSCARD}\n"
    assert "apt install gcc python3-dev libpcsclite-dev pcscd" in ended.stderr


def test_what_needs_no_reader_works_without_pyscard() -> None:
    shown = without_pyscard("demo", "--fobs", "1", "--readers", "1")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "1 of 1 fobs passed" in shown.stdout
    tested = without_pyscard("self-test")
    assert (tested.returncode, tested.stderr) == (0, "")
    assert f"not available: {NO_PYSCARD}" in tested.stdout
