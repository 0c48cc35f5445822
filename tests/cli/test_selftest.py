import pytest

from kfasync.cli import selftest
from kfasync.core.profile import Level
from kfasync.crypto.choose import available
from kfasync.model import Scp03Mode
from kfasync.sim.pcscd import PrivatePcscd
from tests.cli.terminal import Run


def test_everything_is_tried_and_works_and_a_path_is_a_line(run: Run, pcscd: PrivatePcscd) -> None:
    ended = run("self-test")
    assert ended.code == 0
    assert not ended.err
    lines = [line for line in ended.out.splitlines() if "ok: known answers" in line]
    assert [line.split()[2] for line in lines] == list(available())
    assert f"{len(Scp03Mode) * len(Level)} fobs in every mode" in lines[0]
    assert pcscd.reader_names[0] in ended.out
    assert "asyncio, trio" in ended.out
    assert "FAILED" not in ended.out
    assert len(ended.out.splitlines()) <= len(lines) + 4


def test_a_path_that_fails_says_each_thing_that_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert not selftest.check_path("paper")
    printed = capsys.readouterr().out
    assert "crypto path paper" in printed
    assert "FAILED one fob, S16, security level 33: " in printed
