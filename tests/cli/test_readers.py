import json

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
