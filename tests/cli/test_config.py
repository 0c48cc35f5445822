from pathlib import Path

import pytest
from typer.testing import CliRunner

from kfasync.cli.config import app
from kfasync.station.config import TEMPLATE
from kfasync.station.pin import is_pin
from tests.cli.terminal import Run
from tests.pcscd.floor import FIXTURES


def test_the_template_that_is_printed_is_good(run: Run, tmp_path: Path) -> None:
    printed = run("config", "template")
    assert printed == (0, TEMPLATE, "")
    path = tmp_path / "station.toml"
    path.write_text(printed.out, "utf-8")
    checked = run("config", "check", path)
    assert checked.code == 2
    assert "source.path: there is nothing at " in checked.err
    (tmp_path / "fixtures").symlink_to(FIXTURES)
    checked = run("config", "check", path)
    assert checked.code == 0
    assert "good" in checked.out
    assert "31C287" in checked.out  # a check value, which is there to be compared
    assert "8b4b8d7e" not in checked.out.lower()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('layout = "auto"', 'layout = "aut"', "card.layout"),
        ("key_version = 255", "key_version = 256", "card.key_version"),
        ('id = "EOL-01"', 'idd = "EOL-01"', "station.idd"),
        ('kind = "containers"', 'kind = "paper"', "choose one of containers"),
        ("[crypto]", "[crypto", "not TOML"),
    ],
)
def test_a_broken_configuration_is_one_sentence(
    run: Run, tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    path = tmp_path / "station.toml"
    path.write_text(TEMPLATE.replace(old, new), "utf-8")
    ended = run("config", "check", path)
    assert ended.code == 2
    assert not ended.out
    assert ended.err.startswith(f"kfasync: {path}")
    assert sentence in ended.err
    assert ended.err.count("\n") == 1


def test_a_missing_configuration_says_how_to_make_one(run: Run, tmp_path: Path) -> None:
    ended = run("config", "check", tmp_path / "none.toml")
    assert ended.code == 2
    assert "kfasync config template" in ended.err


def test_a_pin_is_asked_for_and_printed_as_the_configuration_takes_it() -> None:
    asked = CliRunner().invoke(app, ["pin"], input="271828\n271828\n")
    assert asked.exit_code == 0
    kept = asked.stdout.strip().removeprefix('lead_pin = "').removesuffix('"')
    assert is_pin("271828", kept)
    assert "271828" not in asked.output
    assert CliRunner().invoke(app, ["pin"], input="1234\n1234\n").exit_code != 0
