import pytest

from kfasync.station.pin import LOCKED_S, TRIES, Lockout, hash_pin, is_pin, require_pin_hash

PIN = "271828"


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


def test_after_five_wrong_ones_even_the_right_one_waits() -> None:
    now_s = 0.0
    lockout = Lockout(hash_pin(PIN), lambda: now_s)
    assert lockout.check("000000") == f"wrong PIN; tries left: {TRIES - 1}"
    assert lockout.check(PIN) == ""
    said = [lockout.check(f"{number:06}") for number in range(TRIES)]
    assert said[-1] == "wrong PIN for the 5th time: wait 5 minutes"
    assert lockout.check(PIN) == "too many wrong PINs: wait 5 min"
    now_s = LOCKED_S
    assert lockout.check(PIN) == ""
