"""What has become of fobs, as the page's process answers it, byte by byte."""

import datetime
import json
import re
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from kfasync.ledger.ledger import Ledger
from kfasync.station.advice import Language
from kfasync.web.past import PAGE
from tests.web.histories import attempt, fill, write
from tests.web.pages import ask, served
from tests.web.test_app import TOKEN, make_certificate

MARKUP = "<img src=x onerror=alert(1)>"
PATHS = ("/lead/history", "/lead/yield", "/lead/stages", "/lead/records/1")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("lead")
    fill(directory / "var", 120)
    with served(directory) as (_, page):
        yield page.url


def get(url: str, path: str) -> Any:
    answer = ask(url, path)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    return json.loads(answer.body)


def test_the_history_is_read_page_by_page_to_its_end(url: str) -> None:
    numbers: list[list[int]] = []
    before: int | str | None = ""
    while before is not None:
        page = get(url, f"/lead/history?before={before}")
        numbers.append([line["number"] for line in page["lines"]])
        before = page["before"]
    assert [len(page) for page in numbers] == [PAGE, PAGE, 20]
    assert list(chain(*numbers)) == list(range(120, 0, -1))


def test_a_fob_is_found_however_its_uid_is_written(url: str) -> None:
    uid = attempt(77, datetime.datetime.now(datetime.UTC)).uid or ""
    pairs = ":".join(re.findall("..", uid.lower()))
    for search in (uid, pairs, "1km0004d", uid[:10]):
        (line, *_) = get(url, f"/lead/history?search={quote(search)}")["lines"]
        assert search == uid[:10] or line["uid"] == uid
    assert get(url, "/lead/history?search=FFFF")["lines"] == []


def test_yield_is_counted_by_cause(url: str) -> None:
    found = get(url, "/lead/yield?days=30")
    assert (found["passed"], found["failed"], found["again"]) == (96, 12, 12)
    assert found["part"] == pytest.approx(96 / 108)
    shares = {one["cause"]: (one["state"], one["pieces"]) for one in found["shares"]}
    assert shares == {
        "pass": ("pass", 96),
        "torn": ("bound", 12),
        "MEMORY_FAILURE": ("fail", 6),
        "CryptogramError": ("fail", 6),
    }
    assert found["shares"][0]["happened"] == "provisioned"


def test_stages_have_the_times_of_those_that_passed(url: str) -> None:
    found = get(url, "/lead/stages")
    assert found["fobs"] == 96
    assert [one["stage"] for one in found["stages"]][:2] == ["ReadUid", "FetchKeys"]
    for one in found["stages"]:
        assert 0 < one["p50_ms"] <= one["p95_ms"] <= one["most_ms"]


def test_a_record_is_whole(url: str) -> None:
    found = get(url, "/lead/records/120")
    assert found["record"]["attempt"] == f"{120:032x}"
    assert len(found["record"]["transcript"]) == 17
    assert ask(url, "/lead/records/121").status == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/lead/history?search={quote(MARKUP)}", 400),
        ("/lead/history?search=" + "A" * 41, 400),
        ("/lead/history?search=" + "A" * 4000, 400),
        ("/lead/history?search=%FF%00", 400),
        ("/lead/history?search=%25", 400),
        ("/lead/history?before=-1", 400),
        ("/lead/history?before=1e9", 400),
        ("/lead/history?before=" + "9" * 19, 400),
        ("/lead/history?before=٣", 400),
        ("/lead/history?before=" + "9" * 18, 200),
        ("/lead/yield?days=0", 400),
        ("/lead/yield?days=100000", 400),
        ("/lead/records/0", 404),
        ("/lead/records/-1", 404),
        ("/lead/records/" + "9" * 30, 404),
        ("/lead/records/1'--", 404),
        ("/lead/records/1/2", 404),
        ("/lead/records/", 404),
    ],
)
def test_what_is_no_question_is_refused(url: str, path: str, status: int) -> None:
    answer = ask(url, quote(path, safe="/?=&%'"))
    assert answer.status == status
    assert b"<" not in answer.body


def test_it_answers_as_the_page_does_to_nobody_else(url: str) -> None:
    ours = {"Origin": url.rstrip("/"), "Content-Type": "application/json"}
    port = urlsplit(url).port
    for path in ("/lead", *PATHS):
        for headers, status in (
            ({"Host": "evil.example"}, 421),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": f"http://127.0.0.1:{(port or 0) + 1}"}, 403),
            ({"Sec-Fetch-Site": "same-site"}, 403),
        ):
            assert ask(url, path, headers=headers).status == status
        assert ask(url, path, method="POST", headers=ours, body=b"{}").status == 405
        headers = ask(url, path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; ")
        assert headers["cache-control"] == "no-store"


def test_from_another_machine_it_takes_the_token(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    fill(tmp_path / "var", 1)
    web = f'port = 0\ncertificate = "page.pem"\nkey = "page.key"\ntoken = "{TOKEN}"'
    with served(tmp_path, web) as (_, page):
        for path in PATHS:
            assert ask(page.url, path).status == 401
            with_token = {"Authorization": f"Bearer {TOKEN}"}
            assert ask(page.url, path, headers=with_token).status == 200


def test_a_ledger_that_is_away_is_told_and_read_when_it_is_back(tmp_path: Path) -> None:
    with served(tmp_path) as (_, page):
        for path in PATHS:
            answer = ask(page.url, path)
            assert (answer.status, b"cannot be read" in answer.body) == (503, True)
        fill(tmp_path / "var", 3)
        assert len(get(page.url, "/lead/history")["lines"]) == 3


def test_what_happened_is_said_in_german_at_a_german_station(tmp_path: Path) -> None:
    fill(tmp_path / "var", 20)
    with served(tmp_path, language=Language.GERMAN) as (_, page):
        shares = get(page.url, "/lead/yield?days=7")["shares"]
        torn = next(one for one in shares if one["cause"] == "torn")
        assert torn["happened"] == "Der Fob wurde zu früh weggenommen"
        number = get(page.url, "/lead/history?search=1KM")["lines"][0]["number"]
        assert get(page.url, f"/lead/records/{number}")["happened"]


def test_it_sees_what_the_station_writes_meanwhile(tmp_path: Path) -> None:
    fill(tmp_path / "var", 1)
    with served(tmp_path) as (_, page), closing(Ledger.open(tmp_path / "var")) as ledger:
        for number in range(2, 12):
            write(ledger, attempt(number, datetime.datetime.now(datetime.UTC)))
            lines = get(page.url, "/lead/history")["lines"]
            assert lines[0]["number"] == number
        # A reader that stayed in the middle of something would let the log grow for ever.
        restart = "PRAGMA wal_checkpoint(RESTART)"
        ((busy, *_),) = ledger._store.read(lambda session: session.plain(restart).fetchall())
        assert busy == 0
