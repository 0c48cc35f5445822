"""Which crypto path a station runs on."""

import pytest

from kfasync.crypto.choose import AUTO, available, choose
from kfasync.errors import CryptoPathError


def test_auto_is_the_fastest_there_is() -> None:
    assert choose().name == choose(AUTO).name == available()[0]


@pytest.mark.parametrize("name", available())
def test_every_path_that_is_there_can_be_chosen_by_name(name: str) -> None:
    assert choose(name).name == name


def test_the_oracle_is_always_there_and_never_the_first() -> None:
    assert available().index("pure") > 0


@pytest.mark.parametrize("name", ["", "openssl", "PURE"])
def test_a_path_that_is_not_there_is_an_error_that_names_those_that_are(name: str) -> None:
    with pytest.raises(CryptoPathError) as caught:
        choose(name)
    assert f"no crypto path {name!r} here; choose one of auto, " in str(caught.value)
    assert all(path in str(caught.value) for path in available())
