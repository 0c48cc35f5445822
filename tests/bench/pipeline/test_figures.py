import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.bench.pipeline.figures import FOB, PLACED, RESULT, percentile
from tests.bench.pipeline.reports import fob, report


def test_what_follows_from_four_fobs() -> None:
    made = report()
    assert (made.passed, made.failed) == (4, 0)
    assert made.elapsed_s == pytest.approx(3.5)
    assert made.fobs_per_hour == pytest.approx(3600 * 4 / 3.5)
    assert made.efficiency == pytest.approx(0.4 / 0.5)
    assert made.efficiency_measured == pytest.approx(0.45 / 0.5)
    assert made.bound == 1.0
    assert made.cpu_ms_per_fob == pytest.approx(15)
    assert made.model_ms == pytest.approx(400)


def test_efficiency_is_of_all_lane_time_and_not_the_mean_of_fobs() -> None:
    made = report(fob(0, lane_s=0.5), fob(1, lane_s=1.5))
    assert made.efficiency == pytest.approx(0.8 / 2.0)


def test_stages_stand_in_the_order_of_a_fobs_way_and_the_whole_at_the_end() -> None:
    stages = report(fob(0), fob(1, lane_s=0.6)).stages()
    assert list(stages) == [PLACED, "ReadUid", RESULT, FOB]
    assert stages[FOB].p50_ms == pytest.approx(500)
    assert stages[FOB].p99_ms == pytest.approx(600)
    assert stages[FOB].max_ms == pytest.approx(600)
    assert stages["ReadUid"].card_p50_ms == pytest.approx(450)


def test_a_fob_that_failed_is_counted_and_not_one_of_the_hour() -> None:
    made = report(fob(0), fob(1, fault="torn off"))
    assert (made.passed, made.failed) == (1, 1)
    assert made.fobs_per_hour == pytest.approx(3600 / made.elapsed_s)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_one_of_the_values_and_has_its_share_below(
    values: list[float], share: int
) -> None:
    found = percentile(share, values)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= share * len(values)
    assert sum(value < found for value in values) * 100 < share * len(values)
