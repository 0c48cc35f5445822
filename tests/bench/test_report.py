import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.bench.report import as_json, as_text, of, software_of, three
from tests.bench.reports import FIGURES, MACHINE, report


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2_468_000, "2,470,000"),
        (2468, "2,470"),
        (999.6, "1,000"),
        (46.96, "47.0"),
        (9.999, "10.0"),
        (3.456, "3.46"),
        (0.00123456, "0.00123"),
        (0, "0"),
    ],
)
def test_a_figure_has_three_digits(value: float, text: str) -> None:
    assert three(value) == text


@given(st.floats(1e-6, 1e12))
def test_three_digits_are_within_half_a_percent(value: float) -> None:
    assert float(three(value).replace(",", "")) == pytest.approx(value, rel=0.0051)


def test_the_text_begins_with_the_machine_and_the_ratios() -> None:
    lines = as_text(report()).splitlines()
    assert lines[0].startswith("A CPU (Linux x86_64); native tiers: aesni, portable")
    assert "42 rounds" in lines[3]
    assert lines[5].startswith("ratio of minima")
    chain = next(line for line in lines if "chain_over_floor" in line)
    assert "1.01  <= 1.05" in chain
    yubikit = next(line for line in lines if "speedup_over_yubikit" in line)
    assert "not measured: no fob/yubikit" in yubikit


def test_the_text_has_a_table_for_each_work_the_fastest_first() -> None:
    text = as_text(report())
    _, _, tables = text.partition("one fob: session")
    order = ["one call & no more", "a CMAC <copied>", "pure Python"]
    assert sorted(order, key=tables.index) == order
    assert "2,500" in text
    assert text.count("the floor: 126 blocks") == 1
    assert text.count("the floor: 132 blocks") == 2
    assert "one slot wiped" not in text


def test_the_text_says_nothing_of_a_floor_that_was_not_measured() -> None:
    text = as_text(report(FIGURES[:4]))
    assert "the floor: " not in text
    assert "not measured: no fob floor" in text


def test_the_json_holds_every_figure_and_every_ratio() -> None:
    found = json.loads(json.dumps(as_json(report())))
    assert found["figures"].keys() == {one.id for one in FIGURES}
    assert found["figures"]["fob/pure"] == {
        "label": "pure Python",
        "family": "pure Python",
        "minimum_ns": 2_500_000,
        "median_ns": 3_000_000,
        "calls": 1,
    }
    assert found["floor_ns"] == 126 * 10 * 1.25
    assert found["fob_floor_ns"] == 132 * 10 * 1.25
    assert found["ratios"]["chain_over_floor"] == 1588 / 1575
    assert found["ratios"]["raw_fob_over_floor"] == 2222 / 1650
    assert found["ratios"]["speedup_over_yubikit"] is None
    assert found["reasons"]["speedup_over_yubikit"] == "no fob/yubikit"
    assert {name for name, value in found["ratios"].items() if value is None} == set(
        found["reasons"]
    )
    assert found["machine"]["versions"]["yubikey-manager"] is None


def test_the_figures_of_a_work_are_not_those_of_another() -> None:
    assert [one.id for one in of(report(), "whole")] == ["whole/raw-aesni"]


def test_what_is_not_installed_is_not_boasted_of() -> None:
    assert software_of(MACHINE) == "CPython 3.11.0, cryptography 50.0.0, OpenSSL 3.5.0"
