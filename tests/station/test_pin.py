from pathlib import Path

import pytest

from kfasync.station.pin import (
    FILE_NAME,
    LOCKED_S,
    TRIES,
    Lockout,
    hash_pin,
    is_pin,
    require_pin_hash,
)

PIN = "271828"
KEPT = hash_pin(PIN)


def test_of_a_pin_only_a_slow_hash_with_a_salt_of_its_own_is_kept() -> None:
    kept = hash_pin(PIN)
    require_pin_hash(kept)
    assert PIN not in kept
    assert kept != hash_pin(PIN)
    assert is_pin(PIN, kept)
    assert not is_pin("271829", kept)


@pytest.mark.parametrize("pin", ["12345", "1234567890123", "12345a", "", "¹²³⁴⁵⁶"])
def test_what_is_no_pin_is_refused(pin: str) -> None:
    with pytest.raises(ValueError, match="6 to 12 digits"):
        hash_pin(pin)


def test_what_is_no_hash_is_refused_and_not_repeated() -> None:
    for text in (PIN, "scrypt:00:00", f"{hash_pin(PIN)}0"):
        with pytest.raises(ValueError, match="config pin") as refused:
            require_pin_hash(text)
        assert text not in str(refused.value)


class Clock:
    now_s = 1_700_000_000.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lockout_in(directory: Path, clock: Clock) -> Lockout:
    """As a process has it that has just begun."""
    return Lockout(KEPT, directory, lambda: clock.now_s)


def test_after_five_wrong_ones_even_the_right_one_waits(tmp_path: Path, clock: Clock) -> None:
    lockout = lockout_in(tmp_path, clock)
    assert lockout.check("000000") == f"wrong PIN; tries left: {TRIES - 1}"
    assert lockout.check(PIN) == ""
    said = [lockout.check(f"{number:06}") for number in range(TRIES)]
    assert said[-1] == "wrong PIN for the 5th time: wait 5 minutes"
    assert lockout.check(PIN) == "too many wrong PINs: wait 5 min"
    clock.now_s += LOCKED_S
    assert lockout.check(PIN) == ""


def test_a_process_that_begins_anew_goes_on_counting(tmp_path: Path, clock: Clock) -> None:
    said = [lockout_in(tmp_path, clock).check("000000") for _ in range(TRIES + 1)]
    assert said[1] == f"wrong PIN; tries left: {TRIES - 2}"
    assert said[-2:] == [
        "wrong PIN for the 5th time: wait 5 minutes",
        "too many wrong PINs: wait 5 min",
    ]
    clock.now_s += LOCKED_S
    assert lockout_in(tmp_path, clock).check("000000") == f"wrong PIN; tries left: {TRIES - 1}"


def test_a_try_counts_before_it_is_looked_at(tmp_path: Path, clock: Clock) -> None:
    for _ in range(TRIES):
        # What is no hash ends the look in the middle, as a kill does.
        with pytest.raises(AttributeError):
            Lockout("", tmp_path, lambda: clock.now_s).check("000000")
    assert lockout_in(tmp_path, clock).check(PIN) == "too many wrong PINs: wait 5 min"


def test_a_clock_that_is_set_back_locks_for_no_longer(tmp_path: Path, clock: Clock) -> None:
    for _ in range(TRIES):
        lockout_in(tmp_path, clock).check("000000")
    clock.now_s -= 86400
    assert lockout_in(tmp_path, clock).check(PIN) == "too many wrong PINs: wait 5 min"
    clock.now_s += LOCKED_S
    assert lockout_in(tmp_path, clock).check(PIN) == ""


def test_a_count_that_was_spoilt_leaves_one_try(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"{")
    assert "5th time" in lockout_in(tmp_path, clock).check("000000")


def test_where_tries_cannot_be_counted_none_is_looked_at(tmp_path: Path, clock: Clock) -> None:
    said = lockout_in(tmp_path / "none", clock).check(PIN)
    assert "cannot be counted" in said
    assert "(No such file or directory)" in said
