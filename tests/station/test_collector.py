"""What a full collection looks at."""

import gc
import weakref

from kfasync.station.collector import settled


class _Circle:
    def __init__(self) -> None:
        self.own = self


def test_what_was_there_is_left_alone_and_what_comes_is_collected() -> None:
    there = _Circle()
    with settled():
        looked_at = len(gc.get_objects())
        assert gc.get_freeze_count() > 100 * looked_at
        came = weakref.ref(_Circle())
        was_there = weakref.ref(there)
        del there
        gc.collect()
        assert came() is None
        assert was_there() is not None
    gc.collect()
    assert was_there() is None
    assert gc.get_freeze_count() == 0
