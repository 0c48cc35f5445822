from pathlib import Path

import pytest

from tests.acceptance.examined import failed, job
from tests.native_build import broken_provider

# The hostile provider has no keys worth the name, and so passes this one and not all.
CHECK = "same-unit-same-content"


def finding(misbehave: str, deadline_s: float = 60.0) -> str | None:
    asked = job(broken_provider("hostile"), {"misbehave": misbehave}, CHECK, deadline_s=deadline_s)
    return failed(asked).get(CHECK)


def test_a_library_that_behaves_is_not_blamed() -> None:
    assert finding("") is None


@pytest.mark.parametrize(
    ("misbehave", "found"),
    [
        ("segfault", "the process is killed by SIGSEGV"),
        ("abort", "the process is killed by SIGABRT"),
        ("kill", "the process is killed by SIGKILL"),
        ("exit", "the process is ended with exit code 3"),
        ("_exit", "the process is ended with exit code 0"),
        ("babble", "it writes into a file that is not its own"),
    ],
)
def test_how_a_process_ends_is_the_finding(misbehave: str, found: str) -> None:
    assert finding(misbehave) == found


def test_a_process_that_hangs_is_ended() -> None:
    assert finding("hang", deadline_s=0.5) == "it has not ended after 0.5 s"


def test_closing_files_of_others_passes_for_no_success() -> None:
    assert finding("close-all") is not None


def test_a_file_that_is_no_library_fails_every_check(tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("not a library")
    found = failed(job(tmp_path / "text.so", {}, CHECK, "loads-silently"))
    assert found.keys() == {CHECK, "loads-silently"}
    assert all("cannot be loaded" in sentence for sentence in found.values())
