"""The binding: which tiers there are, and what is said when something cannot be had."""

import subprocess
import sys

import pytest
from kfasync._kf_core import lib

from kfasync.crypto.native import NativePath, tiers
from kfasync.crypto.native.binding import TIERS, checked, require_arena, require_tier
from kfasync.errors import CryptoPathError


def test_there_is_always_a_tier_that_needs_no_special_cpu() -> None:
    assert tiers()[-1] == "portable"
    assert [name for name in TIERS if name in tiers()] == tiers()
    assert lib.kf_tier_best() == TIERS[tiers()[0]]


def test_a_tier_of_another_cpu_is_refused() -> None:
    others = {"aesni", "armv8"} - set(tiers())
    assert others
    for other in others:
        with pytest.raises(CryptoPathError, match=f"native-{other} is not for this CPU"):
            NativePath(other)


def test_a_tier_that_computes_wrong_is_refused() -> None:
    with pytest.raises(CryptoPathError, match="native-x fails a known answer of AES"):
        require_tier("native-x", lib.KF_E_KNOWN_ANSWER)


@pytest.mark.parametrize("unlocked_allowed", [False, True])
def test_locked_memory_is_good_for_everybody(unlocked_allowed: bool) -> None:
    require_arena(lib.KF_OK, locked=True, unlocked_allowed=unlocked_allowed)


def test_memory_that_is_not_locked_is_only_for_those_who_allow_it() -> None:
    require_arena(lib.KF_OK, locked=False, unlocked_allowed=True)
    with pytest.raises(CryptoPathError, match="cannot be locked; raise RLIMIT_MEMLOCK"):
        # Somebody in this process allowed it earlier.
        require_arena(lib.KF_OK, locked=False, unlocked_allowed=False)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [(lib.KF_E_LOCK, "cannot be locked"), (lib.KF_E_MEMORY, "there is no memory")],
)
def test_a_start_that_fails_is_an_error(code: int, sentence: str) -> None:
    with pytest.raises(CryptoPathError, match=sentence):
        require_arena(code, locked=False, unlocked_allowed=False)


def test_a_result_that_cannot_be_is_a_mistake_of_the_caller() -> None:
    checked(lib.KF_OK)
    with pytest.raises(ValueError, match=r"the C core refuses its arguments \(-3\)"):
        checked(lib.KF_E_BUSY)


def test_an_error_in_a_reference_cycle_is_collected_without_a_crash() -> None:
    # In a process of its own: what is looked for is a crash in the garbage collector.
    # With a cffi view of the text in its frame, an error here is one, every time.
    program = """
import gc
from kfasync.crypto.native.vault import NativeVault

vault = NativeVault(unlocked_allowed=True)

def fail():
    text = vault.secret(4)
    text.writable()[:] = b"****"
    try:
        vault.base64(text)
    except ValueError as error:
        error.itself = error

gc.disable()
for _ in range(10):
    fail()
    gc.collect()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
