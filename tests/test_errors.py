"""The tree of errors: drawn as it is, and each class telling the caller what to do next."""

import inspect
import re
from pathlib import Path

import pytest

from kfasync import errors
from kfasync.errors import (
    ConfigError,
    ContainerError,
    HungCardError,
    KfError,
    LeaseExpiredError,
    LinkError,
    ProviderError,
    SourceUnavailableError,
    StatusWordError,
)

CLASSES: dict[str, type[KfError]] = {
    name: member
    for name, member in inspect.getmembers(errors, inspect.isclass)
    if issubclass(member, KfError)
}
each_error = pytest.mark.parametrize("error", CLASSES.values(), ids=CLASSES.keys())


def drawn() -> dict[str, str]:
    """Parent of every error in the module's drawing."""
    assert errors.__doc__
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = [(-1, "KfError")]
    for line in errors.__doc__.splitlines():
        if found := re.match(r"^([ │]*)[├└]── (\w+)", line):
            depth, name = len(found[1]), found[2]
            while above[-1][0] >= depth:
                above.pop()
            parents[name] = above[-1][1]
            above.append((depth, name))
    return parents


def test_the_tree_is_drawn_as_it_is() -> None:
    real = {name: error.__bases__[0].__name__ for name, error in CLASSES.items()}
    assert real.pop("KfError") == "Exception"
    assert drawn() == real


@each_error
def test_every_error_says_what_it_means_and_is_called_one(error: type[KfError]) -> None:
    assert error.__name__.endswith("Error")
    assert error.__doc__
    assert error.__module__ == "kfasync.errors"


@each_error
def test_every_error_has_an_exit_code_that_the_shell_takes_for_a_failure(
    error: type[KfError],
) -> None:
    assert error.exit_code in (1, 2, 3, 4, 130)


def test_only_what_may_turn_out_better_next_time_is_retryable() -> None:
    retryable = {error for error in CLASSES.values() if error.retryable}
    assert retryable == {LinkError, HungCardError, SourceUnavailableError, LeaseExpiredError}


def test_wrong_arguments_are_not_errors_of_this_tree() -> None:
    assert not any(issubclass(error, ValueError) for error in CLASSES.values())


def test_a_status_word_is_data_on_its_error() -> None:
    error = StatusWordError(0x6982, "ExternalAuthenticate: 6982")
    assert (error.sw, str(error)) == (0x6982, "ExternalAuthenticate: 6982")


def test_a_container_error_says_which_file() -> None:
    error = ContainerError(Path("containers") / "FESN.txt", "is empty")
    assert error.path.name == "FESN.txt"
    assert str(error) == f"{error.path}: is empty"


@pytest.mark.parametrize("code", [-100, None])
def test_a_result_of_a_library_is_data_on_its_error(code: int | None) -> None:
    error = ProviderError(code, "the library has no content left")
    assert (error.code, str(error)) == (code, "the library has no content left")


def test_a_config_error_says_which_key() -> None:
    error = ConfigError("card.aid", "is not hex digits")
    assert (error.key, str(error)) == ("card.aid", "is not hex digits")
