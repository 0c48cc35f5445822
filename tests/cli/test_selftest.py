import pytest

from kfasync.cli import selftest
from kfasync.core.profile import Level
from kfasync.model import Scp03Mode
from kfasync.sim.pcscd import PrivatePcscd
from tests.cli.terminal import Run


def test_everything_is_tried_and_works(run: Run, pcscd: PrivatePcscd) -> None:
    ended = run("self-test")
    assert ended.code == 0
    assert not ended.err
    for path in ("cryptography", "pure"):
        assert f"crypto path {path}: known answers" in ended.out
        for mode in Scp03Mode:
            for level in Level:
                assert (
                    f"crypto path {path}: one fob, {mode.value}, security level {level.value}"
                    in (ended.out)
                )
    assert pcscd.reader_names[0] in ended.out
    assert "asyncio, trio" in ended.out
    assert "FAILED" not in ended.out


def test_a_check_that_fails_is_shown_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert not selftest.check("a fob on no such path", selftest.one_fob, "paper", *_LOWEST)
    assert "FAILED: " in capsys.readouterr().out


_LOWEST = (Scp03Mode.S8, Level.L01)
