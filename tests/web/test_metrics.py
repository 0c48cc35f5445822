import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kfasync.audit.record import StageTime
from kfasync.ledger.sqlite import Store
from kfasync.model import Stage
from kfasync.station.advice import Language
from kfasync.station.feed import Feed
from kfasync.station.states import LaneState
from kfasync.station.station import Stock
from kfasync.web.board import Board
from kfasync.web.metrics import Metrics
from kfasync.web.page import Page
from kfasync.web.reporter import Reporter
from kfasync.web.stream import News
from tests.web.pages import PATIENCE_S, UID, Answer, Stream, ask, event, result, served
from tests.web.promlint import lint
from tests.web.test_app import TOKEN, make_certificate

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"
TIMES = tuple(StageTime(stage, "", 0, 40_000) for stage in Stage)


def families(text: bytes) -> dict[str, Any]:
    return {one.name: one for one in text_string_to_metric_families(text.decode())}


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """By name, and the labels' values in the order of their names."""
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in families(text).values()
        for one in family.samples
    }


def told(stock: Stock | None = None, days: int | None = None) -> bytes:
    """What a scraper is told of a line that has had a pass, a failure, and one that was torn."""
    station, news = Board("e"), News(Board())
    reporter = Reporter(station, Language.ENGLISH)
    reporter.hear(result(1, LaneState.PASS, stages=TIMES))
    reporter.hear(result(2, LaneState.FAIL, stages=TIMES[:4]))
    reporter.hear(result(2, LaneState.BOUND, cause="torn", sw=None))
    reporter.hear(event(3, LaneState.WAITING, message="klms.example is away"))
    if stock is not None:
        reporter.look(stock, days)
    news.take(station.since("", 0))
    return Metrics(news).text()


EVERYTHING = told(Stock(content=412, outbox=2, unfinished=1), 30)


def test_everything_that_the_line_has_told_is_there() -> None:
    found = samples(EVERYTHING)
    assert found["kfasync_fobs_total", "pass", "pass"] == 1
    assert found["kfasync_fobs_total", "MEMORY_FAILURE", "fail"] == 1
    assert found["kfasync_fobs_total", "torn", "bound"] == 1
    assert found["kfasync_stage_seconds_bucket", "0.025", "FetchKeys"] == 0
    assert found["kfasync_stage_seconds_bucket", "0.05", "FetchKeys"] == 2
    assert found["kfasync_stage_seconds_bucket", "+Inf", "FetchKeys"] == 2
    assert found["kfasync_stage_seconds_count", "PostPersonalization"] == 1
    assert found["kfasync_stage_seconds_sum", "FetchKeys"] == pytest.approx(0.08)
    states = {name[1:]: value for name, value in found.items() if name[0] == "kfasync_lane_state"}
    assert len(states) == 3 * len(LaneState)
    assert {name for name, value in states.items() if value} == {
        ("1", "pass"),
        ("2", "bound"),
        ("3", "waiting"),
    }
    assert found[("kfasync_station_up",)] == 1
    assert found[("kfasync_source_up",)] == 0
    assert found[("kfasync_content_left",)] == 412
    assert found[("kfasync_certificate_left_seconds",)] == 30 * 86400
    assert found[("kfasync_outbox_depth",)] == 2
    assert found[("kfasync_open_recoveries",)] == 1


def test_what_nobody_knows_is_left_out() -> None:
    assert ("kfasync_outbox_depth",) not in samples(told())
    found = samples(told(Stock()))
    assert ("kfasync_content_left",) not in found
    assert ("kfasync_certificate_left_seconds",) not in found
    assert samples(Metrics(News(Board())).text()) == {("kfasync_station_up",): 0}


def test_every_metric_is_described_has_a_type_and_names_nothing_of_the_floor() -> None:
    found = families(EVERYTHING)
    assert len(found) == 10
    for name, family in found.items():
        assert re.fullmatch(r"kfasync(_[a-z]+)+", name)
        assert family.type in ("counter", "gauge", "histogram")
        assert re.fullmatch(r"[A-Z0-9].+\.", family.documentation)
        labels = {label for one in family.samples for label in one.labels}
        assert labels <= {"outcome", "cause", "stage", "le", "lane", "state"}
    for floor in (UID, "1KM0001E", "ACR1252", "klms.example"):
        assert floor.encode() not in EVERYTHING


def test_promtool_would_find_nothing_and_finds_what_is_planted() -> None:
    assert lint(EVERYTHING.decode()) == []
    good = "# HELP kfasync_x_seconds A time.\n# TYPE kfasync_x_seconds gauge\nkfasync_x_seconds 1\n"
    assert lint(good) == []
    for wrong, fault in (
        (good.replace("# HELP kfasync_x_seconds A time.\n", ""), "no HELP"),
        (good.replace("# TYPE kfasync_x_seconds gauge\n", ""), "no TYPE"),
        (good.replace("gauge", "counter"), "a counter ends in _total"),
        (good.replace("_seconds", "_total"), "_total is for counters"),
        (good.replace("_seconds", "_count"), "its end is for histograms"),
        (good.replace("_seconds", "_days"), "no base unit"),
        (good.replace("_seconds", "_ms"), "an abbreviation"),
        (good.replace("_x_", "_gauge_"), "its type does not belong"),
        (good.replace("_x_", "_xY_"), "lower case"),
        (good.replace("_x_", ":x_"), "recording rules"),
        (good.replace("seconds 1", 'seconds{le="1"} 1'), "le and quantile"),
        (good.replace("seconds 1", 'seconds{laneNumber="1"} 1'), "label laneNumber"),
        (good + good, "more than once"),
    ):
        assert any(fault in one for one in lint(wrong)), (wrong, lint(wrong))
    histogram = lint(EVERYTHING.decode().replace('le="+Inf"', 'le="31"'))
    assert any("do not go up to +Inf" in one for one in histogram)
    counts = re.sub(r"(commit_seconds_count) \S+", r"\1 9.0", EVERYTHING.decode())
    assert any("do not add up" in one for one in lint(counts))


def test_how_long_the_ledger_takes_is_told_as_it_counts(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "file")
    store.write(lambda session: session.plain("CREATE TABLE t (a)"))
    store.write(lambda session: session.plain("INSERT INTO t VALUES (1)"), durable=False)
    store.close()
    found = samples(told(Stock(commits=store.latency.commits())))
    assert found[("kfasync_ledger_commit_seconds_count",)] == 1
    assert 0 < found[("kfasync_ledger_commit_seconds_sum",)] < PATIENCE_S


def test_the_dashboard_has_these_metrics_and_no_others() -> None:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    asked = [one["expr"] for panel in dashboard["panels"] for one in panel["targets"]]
    named = {name for expr in asked for name in re.findall(r"\bkfasync_\w+", expr)}
    assert named <= {name for name, *_ in samples(EVERYTHING)}
    assert {
        name for name in families(EVERYTHING) if not any(one.startswith(name) for one in named)
    } == set()
    for variable in dashboard["templating"]["list"]:
        assert set(re.findall(r"\bkfasync_\w+", variable["query"])) <= named


def until(url: str, path: str, status: int) -> Answer:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        answer = ask(url, path)
        if answer.status == status:
            return answer
    raise AssertionError(f"{path} never answered {status}")


def test_it_is_healthy_when_it_hears_the_station_and_ready_with_a_lane(
    served_page: tuple[Feed, Page],
) -> None:
    feed, page = served_page
    until(page.url, "/health", 200)
    answer = ask(page.url, "/ready")
    assert (answer.status, answer.body) == (503, b"no lane has reported\n")
    with Stream(page.url) as stream:
        feed.publish(result(1, LaneState.PASS, stages=TIMES))
        # A browser has no use for the counts.
        assert [delta.totals for delta in stream.until(1, LaneState.PASS)][-1:] == [None]
    assert until(page.url, "/ready", 200).body == b"ok\n"
    page.show_stock(Stock(content=7), None)
    answer = ask(page.url, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert samples(answer.body)["kfasync_fobs_total", "pass", "pass"] == 1


def test_they_answer_to_the_names_of_the_page_and_to_get_alone(
    served_page: tuple[Feed, Page],
) -> None:
    _, page = served_page
    ours = {"Origin": page.url.rstrip("/"), "Content-Type": "application/json"}
    for path in ("/metrics", "/health", "/ready"):
        assert ask(page.url, path, headers={"Host": "evil.example"}).status == 421
        assert ask(page.url, path, headers={"Origin": "http://evil.example"}).status == 403
        assert ask(page.url, path, headers={"Sec-Fetch-Site": "cross-site"}).status == 403
        assert ask(page.url, path, method="POST", headers=ours, body=b"{}").status == 405


def test_from_another_machine_a_scraper_sends_the_token(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    web = f'port = 0\ncertificate = "page.pem"\nkey = "page.key"\ntoken = "{TOKEN}"'
    with served(tmp_path, web) as (_, page):
        assert ask(page.url, "/metrics").status == 401
        answer = ask(page.url, "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status == 200
        until(page.url, "/health", 200)
