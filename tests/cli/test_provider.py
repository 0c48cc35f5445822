import json
import re
from pathlib import Path

import pytest

from kfasync.acceptance.run import NAMES
from kfasync.sources.provider.library import digest
from tests.acceptance.examined import broken, fresh
from tests.cli.terminal import Run
from tests.native_build import reference_provider

FEW = ("--only", "table-is-complete", "--only", "content-well-formed")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(fresh(tmp_path)), "utf-8")
    return path


def test_a_good_library_passes(run: Run, config: Path) -> None:
    ended = run("provider", "check", reference_provider(), "--config", config, *FEW)
    assert ended.code == 0
    assert "kfasync containers 0.1.0" in ended.out
    assert digest(reference_provider()) in ended.out
    assert "all 2 checks passed" in ended.out


def test_a_fault_is_named_with_what_was_found_and_why_it_matters(run: Run, config: Path) -> None:
    ended = run("provider", "check", broken("KCV"), "--config", config, *FEW)
    assert ended.code == 1
    failed = r"FAILED    content-well-formed: \w{8}: the check value of Key-MAC is wrong"
    assert re.search(failed, ended.out)
    assert "why it matters" in ended.out
    assert "1 of 2 checks failed" in ended.out


def test_a_configuration_that_is_refused_is_said_once(run: Run, config: Path) -> None:
    config.write_text(json.dumps({**json.loads(config.read_text("utf-8")), "kvn": 256}), "utf-8")
    ended = run("provider", "check", reference_provider(), "--config", config)
    assert ended.code == 1
    trouble = re.search(r"(?m)^  trouble   (open gives KFP_E_CONFIG.*kvn.*)$", ended.out)
    assert trouble is not None
    assert ended.out.count(trouble[1]) == 1
    assert "checks, all of them by the trouble above" in ended.out


def test_json_holds_everything_and_nothing_else_is_printed(run: Run, config: Path) -> None:
    library = broken("KCV")
    ended = run("provider", "check", library, "--config", config, *FEW, "--json", "--seed", "7")
    assert ended.code == 1
    report = json.loads(ended.out)
    assert report["sha256"] == digest(library)
    assert report["seed"] == 7
    assert report["failed"] == 1
    assert [one["name"] for one in report["checks"]] == list(FEW[1::2])
    assert [one["finding"] is None for one in report["checks"]] == [True, False]


def test_one_seed_makes_up_the_same_fobs_again(run: Run, config: Path) -> None:
    """Which the pool knows: the outcome of those of the first run is final."""
    arguments = ["provider", "check", reference_provider(), "--config", config]
    arguments += ["--only", "outcome-is-final"]
    assert run(*arguments, "--seed", "1").code == 0
    assert run(*arguments, "--seed", "2").code == 0
    again = run(*arguments, "--seed", "1")
    assert again.code == 1
    assert "KFP_E_UNIT" in again.out


def test_another_file_than_the_pinned_one_is_not_loaded(run: Run, config: Path) -> None:
    library = reference_provider()
    arguments = ["provider", "check", library, "--config", config, *FEW, "--sha256"]
    assert run(*arguments, digest(library).upper()).code == 0
    ended = run(*arguments, "0" * 64)
    assert ended.code == 2
    assert digest(library) in ended.err
    assert not ended.out


@pytest.mark.parametrize("text", ["{", "[]", None])
def test_a_configuration_that_is_none_is_one_sentence(
    run: Run, tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "wrong.json"
    if text is not None:
        path.write_text(text, "utf-8")
    ended = run("provider", "check", reference_provider(), "--config", path)
    assert ended.code == 2
    assert str(path) in ended.err


def test_an_unknown_check_is_answered_with_those_there_are(run: Run) -> None:
    ended = run("provider", "check", reference_provider(), "--only", "no-such-check")
    assert ended.code == 2
    assert NAMES[0] in ended.err.replace("\n", "")


def test_a_library_that_is_not_there_is_a_matter_of_usage(run: Run, tmp_path: Path) -> None:
    assert run("provider", "check", tmp_path / "none.so").code == 2
