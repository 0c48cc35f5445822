import re
from pathlib import Path

import pytest

from kfasync.cli.demo import furnish
from tests.cli.terminal import Run
from tests.pcscd.floor import FIXTURE_FESNS, FIXTURES


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_the_demo_provisions_fixtures_and_made_fobs_and_ends_with_a_table(
    run: Run, tmp_path: Path, loop: str
) -> None:
    picture = tmp_path / "demo.svg"
    ended = run("demo", "--fixtures", FIXTURES, "--fobs", "2", "--loop", loop, "--svg", picture)
    assert ended.code == 0
    table = ended.out
    assert all(fesn in table for fesn in [*FIXTURE_FESNS, "1KM00020", "1KM00021"])
    assert len(re.findall(r"\bpass\b", table)) == 4
    assert "4 of 4 fobs passed on 4 simulated readers" in table
    assert picture.read_text("utf-8").startswith("<svg")
    assert "\nkeys and content from a key server, https://localhost:" in table
    assert "The key server has heard: 4 consumed, 0 quarantined, 0 leased" in table


def test_the_demo_of_a_directory_asks_no_server(run: Run) -> None:
    ended = run("demo", "--fobs", "2", "--source", "containers")
    assert ended.code == 0
    assert "2 of 2 fobs passed on 4 simulated readers" in ended.out
    assert "key server" not in ended.out


def test_fixtures_that_are_not_there_are_one_sentence(run: Run, tmp_path: Path) -> None:
    ended = run("demo", "--fixtures", tmp_path / "none")
    assert ended.code == 2
    assert str(tmp_path / "none") in ended.err


def test_without_fixtures_all_content_is_made(tmp_path: Path) -> None:
    assert furnish(tmp_path, 3, None) == 3
    assert len(list((tmp_path / "containers").iterdir())) == 3
