import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.cards.watch import PRESENT, UNAVAILABLE, UNKNOWN, news
from kfasync.contracts.cards import News, ReaderEvent

EMPTY = 0x0010
EXCLUSIVE = 0x0080
IN_USE = 0x0100
MUTE = 0x0200

ATR = bytes.fromhex("3B80800101")


def counted(events: int, state: int) -> int:
    return events << 16 | state


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(None, EMPTY, [News.EMPTY], id="a new reader is empty"),
        pytest.param(None, PRESENT, [News.INSERTED], id="a new reader has a fob"),
        pytest.param(None, UNAVAILABLE, [], id="a new reader is of no use yet"),
        pytest.param(EMPTY, counted(1, PRESENT), [News.INSERTED], id="a fob comes"),
        pytest.param(PRESENT, counted(1, EMPTY), [News.EMPTY], id="a fob leaves"),
        pytest.param(PRESENT, UNKNOWN, [News.GONE], id="a reader is unplugged"),
        pytest.param(UNKNOWN, EMPTY, [News.EMPTY], id="a reader is plugged in again"),
        pytest.param(
            counted(1, PRESENT),
            counted(3, PRESENT),
            [News.EMPTY, News.INSERTED],
            id="one fob leaves and another comes between two looks",
        ),
        pytest.param(
            counted(0xFFFF, PRESENT),
            counted(1, PRESENT),
            [News.EMPTY, News.INSERTED],
            id="likewise, and the counter overflows",
        ),
        pytest.param(
            counted(2, EMPTY), counted(4, EMPTY), [], id="a fob came and left between two looks"
        ),
        *[
            pytest.param(
                counted(1, PRESENT | a), counted(1, PRESENT | b), [], id=f"{a:04x}-{b:04x}"
            )
            for a in (0, EXCLUSIVE, IN_USE, MUTE)
            for b in (0, EXCLUSIVE, IN_USE, MUTE)
        ],
    ],
)
def test_two_state_words_make_news(before: int | None, after: int, expected: list[News]) -> None:
    assert [event.news for event in news("reader", before, after, ATR)] == expected


def test_only_an_inserted_fob_has_an_atr() -> None:
    assert news("reader", counted(1, PRESENT), counted(3, PRESENT), ATR) == [
        ReaderEvent("reader", News.EMPTY),
        ReaderEvent("reader", News.INSERTED, ATR),
    ]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([EMPTY, PRESENT, PRESENT | EXCLUSIVE, UNKNOWN, UNAVAILABLE]),
        )
    )
)
def test_a_reader_never_has_the_same_news_twice_in_a_row(steps: list[tuple[int, int]]) -> None:
    told = [News.GONE]
    before, counter = None, 0
    for moves, state in steps:
        counter += moves
        word = counted(counter & 0xFFFF, state)
        told += [event.news for event in news("reader", before, word, ATR)]
        before = word
    assert all(now is not then for then, now in itertools.pairwise(told))
