import pytest

from kfasync.station.feed import Feed
from kfasync.station.states import LaneState
from kfasync.web.page import Page
from kfasync.web.stream import cursor_of
from tests.web.pages import Stream, event, result


def test_cut_off_and_back_five_times_no_result_is_missed_and_none_comes_twice(
    served_page: tuple[Feed, Page],
) -> None:
    feed, page = served_page
    told: list[str] = []
    last = ""
    with Stream(page.url) as other:
        for cut in range(6):
            with Stream(page.url, last) as stream:
                for number in range(10):
                    feed.publish(result(1, LaneState.PASS, uid=f"{cut}-{number}"))
                feed.publish(event(2, LaneState.WRITING, step=cut + 1))
                deltas = stream.until(2, LaneState.WRITING)
                last = stream.last
            # While nobody looks:
            for number in range(10, 20):
                feed.publish(result(1, LaneState.PASS, uid=f"{cut}-{number}"))
            feed.publish(event(2, LaneState.EMPTY))
            told += [one.uid for delta in deltas for one in delta.results]
            assert [delta.whole for delta in deltas] == [cut == 0] + [False] * (len(deltas) - 1)
        with Stream(page.url, last) as stream:
            deltas = stream.until(2, LaneState.EMPTY)
            told += [one.uid for delta in deltas for one in delta.results]
        everything = [f"{cut}-{number}" for cut in range(6) for number in range(20)]
        assert told == everything
        # And one that was there all the time has seen the same.
        seen: list[str] = []
        while len(seen) < len(everything):
            delta = other.event()
            seen += [one.uid for one in delta.results] if delta else []
        assert seen == everything


def test_it_says_that_it_is_alive(served_page: tuple[Feed, Page]) -> None:
    feed, page = served_page
    feed.publish(event(1, LaneState.EMPTY))
    with Stream(page.url) as stream:
        stream.until(1, LaneState.EMPTY)
        while "ok" not in stream.beats:
            stream.event()


@pytest.mark.parametrize(
    ("said", "cursor"),
    [
        ("0a1b-17", ("0a1b", 17)),
        ("", ("", 0)),
        ("0a1b", ("", 0)),
        ("0a1b--1", ("", 0)),
        ("0a1b-1e9", ("", 0)),
        ("0a1b-" + "9" * 16, ("", 0)),
        ("a" * 33 + "-1", ("", 0)),
        ("ü-1", ("", 0)),
        ("0a1b-²", ("", 0)),
    ],
)
def test_an_id_that_is_none_of_ours_is_the_beginning(said: str, cursor: tuple[str, int]) -> None:
    assert cursor_of(said) == cursor
