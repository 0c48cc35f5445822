import json

from kfasync.bench.machine import this_machine
from kfasync.bench.pipeline.report import as_json, as_text, conditions_of
from tests.bench.pipeline.reports import CONDITIONS, fob, report

NAMES = {
    "fobs_per_hour", "efficiency", "efficiency_measured", "bound", "stages", "klms_wait_ms",
    "cpu_ms_per_fob", "peak_rss_mb", "passed", "failed",
}  # fmt: skip


def test_json_has_the_fixed_names_and_no_others() -> None:
    found = json.loads(json.dumps(as_json(report())))
    assert found.keys() == NAMES
    assert found["klms_wait_ms"] is None
    assert found["stages"]["Fob"].keys() == {"p50_ms", "p99_ms", "max_ms", "card_p50_ms"}
    assert (found["passed"], found["failed"]) == (4, 0)


def test_text_says_under_what_conditions_every_stage_and_what_follows() -> None:
    text = as_text(report(), this_machine())
    assert text.startswith("4 fobs on 2 lanes, NFC timing, content from containers, seed 7, trio")
    for part in ("Placed", "ReadUid", "Result", "Fob", "0.800 by the timing model", "15.00 ms"):
        assert part in text
    assert "failed" not in text


def test_conditions_name_the_card_time_that_was_asked_for() -> None:
    one = type(CONDITIONS)(
        lanes=1, fobs=3, card_ms=20.0, seed=0, loop="asyncio", crypto_path="pure"
    )
    assert conditions_of(one).startswith("3 fobs on 1 lane, 20 ms of card,")


def test_causes_are_counted_and_only_the_common_ones_are_listed() -> None:
    fobs = [fob(number, fault=f"cause {number}") for number in range(8)]
    text = as_text(report(*fobs, fob(9, fault="cause 3")), this_machine())
    assert "2 failed: cause 3" in text
    assert "and 3 other causes" in text


def test_memory_that_the_system_does_not_tell_is_left_out() -> None:
    made = report()
    silent = type(made)(
        conditions=made.conditions, fobs=made.fobs, cpu_s=made.cpu_s, peak_rss_mb=None
    )
    assert "peak memory" not in as_text(silent, this_machine())
    assert as_json(silent)["peak_rss_mb"] is None
