"""Which crypto path a station runs on."""

import sys
import types

import pytest

import kfasync.crypto
from kfasync.crypto.choose import AUTO, NATIVE, SWITCH, available, choose, describe, native_tiers
from kfasync.errors import CryptoPathError


def test_auto_is_the_one_that_is_preferred() -> None:
    assert choose().name == choose(AUTO).name == available()[0]


@pytest.mark.parametrize("name", available())
def test_every_path_that_is_there_can_be_chosen_by_name(name: str) -> None:
    assert choose(name).name == name


def test_the_oracle_is_always_there_and_never_the_first() -> None:
    assert available().index("pure") > 0


def test_native_is_its_fastest_tier() -> None:
    tiers, why_not = native_tiers()
    assert (choose(NATIVE).name, why_not) == (f"native-{tiers[0]}", "")
    assert describe(choose(NATIVE)) == f"crypto path native-{tiers[0]}"


def test_the_c_core_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "0")
    assert available() == ["cryptography", "pure"]
    line = "crypto path cryptography (the C core is switched off by KFASYNC_NATIVE=0)"
    assert describe(choose()) == line
    with pytest.raises(CryptoPathError, match=r"no crypto path 'native' here \(the C core is sw"):
        choose(NATIVE)


# None: as if there were no such module. An empty module: it is there and cannot be used.
@pytest.mark.parametrize(
    ("core", "reason"),
    [(None, "is not built here"), (types.ModuleType("kfasync._kf_core"), "cannot be loaded")],
)
def test_without_the_c_core_there_is_another_path_and_a_reason(
    monkeypatch: pytest.MonkeyPatch, core: types.ModuleType | None, reason: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("kfasync.crypto.native")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(kfasync.crypto, "native")
    monkeypatch.setitem(sys.modules, "kfasync._kf_core", core)
    assert choose().name == "cryptography"
    assert f"crypto path cryptography (the C core {reason}" in describe(choose())


@pytest.mark.parametrize("name", ["", "openssl", "PURE"])
def test_a_path_that_is_not_there_is_an_error_that_names_those_that_are(name: str) -> None:
    with pytest.raises(CryptoPathError) as caught:
        choose(name)
    assert f"no crypto path {name!r} here; choose one of auto, " in str(caught.value)
    assert all(path in str(caught.value) for path in available())
