import shutil
from pathlib import Path

from tests.cli.terminal import Run
from tests.pcscd.floor import FIXTURES


def test_the_fixtures_are_good(run: Run) -> None:
    ended = run("containers", "check", FIXTURES / "containers")
    assert ended.code == 0
    assert "all are good" in ended.out


def test_every_wrong_container_is_named(run: Run, tmp_path: Path) -> None:
    shutil.copytree(FIXTURES, tmp_path / "content")
    directories = sorted((tmp_path / "content" / "containers").iterdir())
    (directories[0] / "irk_keyfob.key").unlink()
    (directories[1] / "FESN.txt").write_text("1KM0001X")
    ended = run("containers", "check", tmp_path / "content" / "containers")
    assert ended.code == 3
    assert str(directories[0] / "irk_keyfob.key") in ended.err
    assert str(directories[1] / "FESN.txt") in ended.err
    assert "2 of 4 are wrong" in ended.err
    assert not ended.out


def test_certificates_may_lie_elsewhere(run: Run, tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "containers", tmp_path / "containers")
    arguments = ["containers", "check", tmp_path / "containers"]
    assert run(*arguments).code == 3
    assert run(*arguments, "--certificates", FIXTURES / "certificates").code == 0


def test_a_missing_directory_is_one_sentence(run: Run, tmp_path: Path) -> None:
    ended = run("containers", "check", tmp_path / "none")
    assert ended.code == 3
    assert str(tmp_path / "none") in ended.err


def test_a_directory_that_holds_no_containers_is_one_sentence(run: Run, tmp_path: Path) -> None:
    ended = run("containers", "check", tmp_path)
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        f"kfasync: {tmp_path} holds no containers, which are directories named <FESN>-<SPID>\n"
    )
    ended = run("containers", "check", tmp_path / "none")
    assert "is no directory" in ended.err
