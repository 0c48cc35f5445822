import pytest

from kfasync.bench import crypto
from kfasync.bench.ratios import FLOOR
from kfasync.bench.task import task
from kfasync.crypto.choose import SWITCH
from kfasync.crypto.native import tiers

NAMES = [
    "chain_over_floor",
    "raw_fob_over_floor",
    "one_bytes_over_raw",
    "eleven_bytes_speedup_over_cryptography",
    "speedup_over_pure",
    "portable_over_aesni",
    "speedup_over_yubikit",
]


def test_a_run_measures_everybody_and_has_a_value_or_a_reason_for_each_ratio() -> None:
    report = crypto.run(rounds=1, seconds=0)
    assert (report.rounds, report.tiers) == (1, tiers())
    assert (report.stream_bytes, report.commands, report.serial_blocks) == (1709, 11, 126)
    assert all(0 < one.minimum_ns <= one.median_ns for one in report.figures)
    assert [one.ratio.name for one in report.results] == NAMES
    assert all((one.value is None) == bool(one.reason) for one in report.results)
    values = {one.ratio.name: one.value for one in report.results}
    assert values["speedup_over_pure"] is not None
    assert values["eleven_bytes_speedup_over_cryptography"] is not None


def test_without_the_core_the_rest_is_measured_and_the_reason_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(SWITCH, "0")
    report = crypto.run(rounds=1, seconds=0)
    assert report.tiers == []
    assert report.floor_ns is report.fob_floor_ns is None
    assert {one.id for one in report.figures} >= {"fob/pure", "fob/cryptography-copied"}
    assert {one.value for one in report.results} == {None}
    native = [one.reason for one in report.results if one.ratio.name != "speedup_over_yubikit"]
    assert all(reason is not None and SWITCH in reason for reason in native)


def test_nobody_is_in_the_field_twice() -> None:
    ids = [one.id for one in crypto.field(task()).candidates]
    assert len(ids) == len(set(ids))


def test_a_field_says_why_somebody_is_not_in_it() -> None:
    field = crypto.Field([], ["portable"], "", "no instruction", "not installed")
    assert field.why_not(FLOOR) == "no instruction"
    assert field.why_not("fob/yubikit") == "not installed"
    assert field.why_not("whole/raw-aesni") == "this CPU has no tier aesni"
    assert crypto.Field([], [], "no core").why_not(FLOOR) == "no core"
