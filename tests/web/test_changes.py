"""Changes over HTTP at a whole line: who may make them, and what is tried by who may not."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kfasync.sim.faults import Fault, FaultKind
from kfasync.station.states import LaneState
from tests.pcscd.floor import new_fob
from tests.station.desks import sql
from tests.web.lines import PIN, Line, working
from tests.web.pages import Answer, Stream, ask, served
from tests.web.test_keeper import children

REFUSED = Fault(FaultKind.STATUS_WORD, at=4, sw=0x6982)
TORN_AT_THE_LAST = Fault(FaultKind.TORN_AFTER, at=15)
REASON = "looked at it"


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    trays = [[new_fob(REFUSED), new_fob(REFUSED)], [new_fob(TORN_AT_THE_LAST)]]
    with working(tmp_path, trays) as found, Stream(found.url) as stream:
        stream.until(1, LaneState.STOPPED)
        with Stream(found.url) as other:
            other.until(2, LaneState.IN_DOUBT)
        yield found


def post(url: str, change: Any, **headers: str) -> Answer:
    said = {"Origin": url.rstrip("/"), "Content-Type": "application/json"} | headers
    body = change if isinstance(change, bytes) else json.dumps(change).encode()
    return ask(url, "/changes", method="POST", headers=said, body=body)


def decisions(directory: Path) -> list[str]:
    rows = sql(directory / "var", "SELECT disposition FROM record ORDER BY id")
    return [row[0] for row in rows if row[0] in ("resumed", "acknowledged", "resolved")]


def test_the_lead_resumes_and_resolves_and_a_pin_that_is_guessed_is_locked_out(
    line: Line, tmp_path: Path
) -> None:
    (tile,) = (one for one in _tiles(line) if one.slot == 2)
    resume = {"type": "resume", "slot": 1, "pin": PIN, "reason": REASON}
    resolve = {"type": "resolve", "uid": tile.uid, "resolved_as": "fail"} | {
        "pin": PIN,
        "reason": REASON,
    }
    for change, status in (
        (b"", 400),
        (b"[" * 4000, 400),
        ({"type": "resume", "slot": 1}, 400),
        ({"type": "stop"}, 400),
        (resume | {"more": 1}, 400),
        (resume | {"slot": "1"}, 400),
        (resume | {"reason": " "}, 400),
        (resume | {"reason": "x" * 201}, 400),
        (resume | {"reason": "two\nlines"}, 400),
        (resolve | {"resolved_as": "pass"}, 400),
        (resume | {"slot": 2}, 409),
        (resume | {"slot": 99}, 409),
        (resolve | {"uid": "nothing"}, 409),
        (resolve | {"uid": "04" * 7}, 409),
        ({"type": "acknowledge", "slot": 2, "attempt": "another"}, 409),
    ):
        answer = post(line.url, change)
        assert (answer.status, PIN.encode() in answer.body) == (status, False), change
    evil = {"Origin": "http://evil.example"}
    assert post(line.url, resume, **evil).status == 403
    assert post(line.url, resume, **{"Sec-Fetch-Site": "same-site"}).status == 403
    assert decisions(tmp_path) == []
    heard = line.feed.subscribe()
    assert post(line.url, resume).status == 200
    assert post(line.url, resolve).status == 200
    assert post(line.url, resolve).status == 409
    assert decisions(tmp_path) == ["resumed", "resolved"]
    wrong = [post(line.url, resume | {"pin": f"{n:06}"}) for n in range(5)]
    assert {answer.status for answer in wrong} == {403}
    locked = post(line.url, resolve)
    assert (locked.status, b"too many wrong PINs" in locked.body) == (403, True)
    assert decisions(tmp_path) == ["resumed", "resolved"]
    warned = [getattr(news, "problem", "") for news in heard.take(1.0)]
    assert any("wrong PIN for the 5th time" in one for one in warned)
    # Nor does it help to have the page begin anew.
    (process,) = children()
    os.kill(process, signal.SIGKILL)
    locked = post(line.url, resolve)
    assert (locked.status, b"too many wrong PINs" in locked.body) == (403, True)
    assert children() != [process]


def test_an_operator_acknowledges_what_is_shown_once_and_needs_no_pin(
    line: Line, tmp_path: Path
) -> None:
    (tile,) = (one for one in _tiles(line) if one.slot == 2)
    change = {"type": "acknowledge", "slot": 2, "attempt": tile.attempt}
    assert post(line.url, change).status == 200
    with Stream(line.url) as stream:
        while not (delta := stream.event()) or not any(one.seen for one in delta.tiles):
            pass
    assert decisions(tmp_path) == ["acknowledged"]


def test_without_a_pin_nobody_resumes_from_the_page(tmp_path: Path) -> None:
    with served(tmp_path) as (_, page):
        change = {"type": "resume", "slot": 1, "pin": PIN, "reason": REASON}
        answer = post(page.url, change)
        assert (answer.status, b"no PIN is configured" in answer.body) == (403, True)
        # Nor does anybody acknowledge where no station listens.
        seen = post(page.url, {"type": "acknowledge", "slot": 1, "attempt": "a"})
        assert (seen.status, b"no station runs" in seen.body) == (409, True)


def _tiles(line: Line) -> list[Any]:
    with Stream(line.url) as stream:
        while (delta := stream.event()) is None:
            pass
    return list(delta.tiles)
