import json
from pathlib import Path
from xml.etree import ElementTree

from tests.cli.terminal import Run

RATIOS = {
    "chain_over_floor",
    "raw_fob_over_floor",
    "one_bytes_over_raw",
    "eleven_bytes_speedup_over_cryptography",
    "speedup_over_pure",
    "portable_over_aesni",
    "speedup_over_yubikit",
}


def test_json_holds_figures_ratios_and_reasons_and_nothing_stands_beside_it(run: Run) -> None:
    ended = run("bench", "crypto", "--rounds", "1", "--json")
    assert ended.code == 0
    assert not ended.err
    found = json.loads(ended.out)
    assert found["rounds"] == 1
    assert found["ratios"].keys() == RATIOS
    for name, value in found["ratios"].items():
        assert (value is None) == (name in found["reasons"])
        assert value is None or value > 0
    for figure in found["figures"].values():
        assert figure.keys() == {"label", "family", "minimum_ns", "median_ns", "calls"}
    assert found["machine"]["cpu"]
    assert found["task"]["serial_blocks"] == 126


def test_the_text_says_the_ratios_and_the_chart_is_written(run: Run, tmp_path: Path) -> None:
    svg = tmp_path / "chart.svg"
    ended = run("bench", "crypto", "--rounds", "1", "--svg", svg)
    assert ended.code == 0
    assert "pure Python" in ended.out
    assert all(name in ended.out for name in RATIOS)
    ElementTree.parse(svg)


def test_a_chart_that_cannot_be_written_is_said_before_anything_is_measured(
    run: Run, tmp_path: Path
) -> None:
    ended = run("bench", "crypto", "--svg", tmp_path / "none" / "chart.svg")
    assert ended.code == 2
    assert str(tmp_path / "none") in ended.err
    assert not ended.out


def test_a_chart_over_a_directory_is_one_sentence(run: Run, tmp_path: Path) -> None:
    ended = run("bench", "crypto", "--rounds", "1", "--svg", tmp_path)
    assert ended.code == 2
    assert "cannot be written" in ended.err
