"""What a lease has to be good for: assumed, then measured."""

import pytest

from kfasync.station.writetime import ASSUMED_S, WriteTime


def test_two_seconds_are_assumed_until_a_hundred_fobs_were_written() -> None:
    write_time = WriteTime()
    for _ in range(99):
        write_time.add(0.5)
        assert write_time.p99_s == ASSUMED_S
    write_time.add(0.6)
    assert write_time.p99_s == 0.5  # one in a hundred may take longer


def test_the_slowest_hundredth_of_the_last_fobs_is_left_out() -> None:
    write_time = WriteTime()
    for number in range(1000):
        write_time.add(float(number))
    assert write_time.p99_s == pytest.approx(994, abs=1)
