from kfasync.web.board import RESULTS_KEPT, Board
from kfasync.web.view import Result, Strip, Tile, Totals


def tile(slot: int, state: str = "reading") -> Tile:
    return Tile(slot=slot, reader=f"R {slot}", state=state)


def result(uid: str) -> Result:
    return Result(at="", slot=1, state="pass", uid=uid, fesn="")


def test_a_reader_gets_what_is_new_since_it_looked_and_the_last_of_each_lane() -> None:
    board = Board("e")
    board.show(tile(1))
    board.show(tile(2))
    first = board.since("", 0)
    assert (first.whole, first.seq, [one.slot for one in first.tiles]) == (True, 2, [1, 2])
    board.show(tile(1, "writing"))
    board.show(tile(1, "pass"), result("04"))
    board.show_strip(Strip(hour=1))
    board.show_strip(Strip(hour=1))
    news = board.since("e", first.seq)
    assert (news.whole, news.seq, [one.state for one in news.tiles]) == (False, 5, ["pass"])
    assert [one.uid for one in news.results] == ["04"]
    assert news.strip == Strip(hour=1)
    nothing = board.since("e", news.seq)
    assert (nothing.tiles, nothing.results, nothing.strip) == ((), (), None)


def test_who_comes_from_another_run_begins_anew() -> None:
    board = Board("e")
    board.show(tile(1), result("04"))
    for epoch, seq in (("f", 1), ("e", 99)):
        assert board.since(epoch, seq) == board.since("", 0)


def test_a_chain_of_boards_tells_every_result_once_however_it_is_cut() -> None:
    station, page = Board("e"), Board()
    told: list[str] = []
    seen = ("", 0)
    for number in range(200):
        station.show(tile(number % 4), result(f"{number:04}"))
        if number % 7 == 0:
            page.merge(station.since(*_cursor(page)))
        if number % 60 == 59:
            page = Board()  # its process is started again, and asks for everything
            page.merge(station.since("", 0))
        if number % 11 == 0 and page.seq:
            delta = page.since(*seen)
            told += [one.uid for one in delta.results]
            seen = (delta.epoch, delta.seq)
    page.merge(station.since(*_cursor(page)))
    told += [one.uid for one in page.since(*seen).results]
    assert told == [f"{number:04}" for number in range(200)]


def test_counts_are_told_when_they_change_and_again_to_a_page_that_is_started_again() -> None:
    station = Board("e")
    one, two = (Totals(fobs=(("pass", "pass", count),)) for count in (1, 2))
    station.show(tile(1, "pass"), result("04"), one)
    station.show(tile(2, "pass"), result("05"), two)
    page = Board()
    page.merge(station.since("", 0))
    station.show(tile(1))
    news = station.since(*_cursor(page))
    assert (len(news.tiles), news.totals) == (1, None)
    page.merge(news)
    assert page.since("", 0).totals == station.since("", 0).totals == two


def test_it_keeps_no_more_than_it_says() -> None:
    board = Board("e")
    for number in range(RESULTS_KEPT + 5):
        board.show(tile(1), result(str(number)))
    kept = board.since("e", 1).results
    assert (len(kept), kept[0].uid) == (RESULTS_KEPT, "5")
    assert board.tile(1) is not None
    assert board.tile(2) is None


def _cursor(board: Board) -> tuple[str, int]:
    delta = board.since("", 0)
    return delta.epoch, delta.seq
