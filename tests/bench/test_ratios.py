import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.bench.ratios import AESENC, FLOOR, FOB_FLOOR, Ratio, definitions, evaluate, with_floors

FLOORS = {FLOOR, FOB_FLOOR}
RATIOS = {ratio.name: ratio for ratio in definitions("aesni")}
# Made up, so that each ratio has a value of its own.
MINIMA = with_floors(
    {
        AESENC: 2.0,
        "chain/raw-aesni": 2640.0,
        "whole/raw-aesni": 3000.0,
        "whole/native-aesni": 4500.0,
        "whole/raw-portable": 60_000.0,
        "fob/native-aesni": 5000.0,
        "fob/cryptography-copied": 60_000.0,
        "fob/cryptography-new": 90_000.0,
        "fob/pure": 3_000_000.0,
        "fob/yubikit": 200_000.0,
    },
    serial_blocks=126,
    fob_serial_blocks=132,
)
VALUES = {
    "chain_over_floor": 2640 / 2520,
    "raw_fob_over_floor": 3000 / 2640,
    "one_bytes_over_raw": 1.5,
    "eleven_bytes_speedup_over_cryptography": 12.0,
    "speedup_over_pure": 600.0,
    "portable_over_aesni": 20.0,
    "speedup_over_yubikit": 40.0,
}


def why_not(name: str) -> str:
    return f"no {name} here"


def test_the_floor_is_blocks_times_ten_rounds_times_the_latency_of_one() -> None:
    assert MINIMA[FLOOR] == 126 * 10 * 2.0
    assert MINIMA[FOB_FLOOR] == 132 * 10 * 2.0


def test_without_a_latency_there_is_no_floor() -> None:
    assert with_floors({"chain/raw-portable": 1.0}, 126, 132).keys().isdisjoint(FLOORS)


@pytest.mark.parametrize("name", VALUES)
def test_a_ratio_is_what_its_definition_says(name: str) -> None:
    result = evaluate(RATIOS[name], MINIMA, why_not)
    assert result.value == pytest.approx(VALUES[name])
    assert result.reason is None


def test_these_are_all_the_ratios() -> None:
    assert RATIOS.keys() == VALUES.keys()


@pytest.mark.parametrize("name", VALUES)
def test_a_ratio_with_a_side_missing_is_null_and_says_why(name: str) -> None:
    ratio = RATIOS[name]
    for side in (ratio.over, ratio.under):
        figures = {key: value for key, value in MINIMA.items() if key not in side}
        result = evaluate(ratio, figures, why_not)
        assert result.value is None
        assert result.reason == f"no {side[0]} here"


@given(st.floats(1, 1e6), st.floats(1, 1e6), st.floats(1, 1e6))
def test_of_several_ways_the_fastest_counts(one: float, other: float, under: float) -> None:
    ratio = Ratio("r", "<= 1", ("a", "b"), ("c",), "")
    result = evaluate(ratio, {"a": one, "b": other, "c": under}, why_not)
    assert result.value == min(one, other) / under


def test_on_another_cpu_the_calls_are_those_of_its_own_tier() -> None:
    ratios = {ratio.name: ratio for ratio in definitions("armv8")}
    assert ratios["chain_over_floor"].over == ("chain/raw-armv8",)
    assert ratios["speedup_over_pure"].under == ("fob/native-armv8",)
    assert ratios["portable_over_aesni"].under == ("whole/raw-aesni",)
