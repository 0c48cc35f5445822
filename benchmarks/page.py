"""What the operator's page costs the lanes, how late it paints, and whether its process grows.

    python -m benchmarks.page [FOBS] [ROUNDS]

Lanes: ``kfasync run`` on 16 simulated readers as slow as NFC and a ledger with a past, without a
page and with one that Chromium shows, while one client reads the lanes again without pause and
another the lead's page: history, yield, times, a record; in turns. Memory: 10,000 fobs of news, as
fast as they are taken.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from kfasync.station.states import LaneState
from tests.cli.stations import write_simulated
from tests.station.desks import sql
from tests.web.browsers import browser, shown
from tests.web.histories import fill
from tests.web.pages import Stream, ask, event, result, served
from tests.web.test_keeper import children

LANES = 16
_PAST = 5000  # records that are there before
_LEAD = ("history", "history?search=04A1", "yield?days=30", "stages", "records/{}")
_WARM_UP_S = 7.0
_PRIORITY = ("nice", "-n", "-10")  # as docs/kfasync.service gives it; others than root get none
_PAINT = """() => {
  window.late = [];
  new MutationObserver(() => {
    const began = Date.parse(document.body.dataset.at);
    requestAnimationFrame(() => requestAnimationFrame(() => window.late.push(Date.now() - began)));
  }).observe(document.body, { attributeFilter: ["data-at"] });
}"""


def run(fobs: int, *, page: bool) -> tuple[float, float, list[float]]:
    """One run: fobs a second, p99 of a fob in ms, and how late each delta was painted in ms."""
    with tempfile.TemporaryDirectory(prefix="kfasync-page-") as name, ExitStack() as parts:
        config = write_simulated(Path(name), LANES, fobs + LANES)
        fill(Path(name) / "var", _PAST)
        if page:
            config.write_text(config.read_text("utf-8") + "\n[web]\nport = 0\n", "utf-8")
        process = subprocess.Popen(  # noqa: S603  # this program
            [
                *_PRIORITY,
                sys.executable,
                "-m",
                "kfasync",
                "run",
                "--config",
                config,
                "--fobs",
                str(fobs),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        url, passed, late = "", [], list[float]()
        for line in process.stdout:
            if found := re.search(r"the page is at (\S+)", line):
                url = found[1]
            passed += [time.monotonic()] if "  PASS  " in line else []
            if url:
                late = parts.enter_context(_looked_at(url, process))
                url = ""
        process.wait()
        parts.close()
        # Without the first ones, while a browser starts, and the last, when not all lanes work.
        begin = next(n for n, at in enumerate(passed) if at > passed[0] + _WARM_UP_S)
        steady = passed[begin:-LANES]
        rows = sql(Path(name) / "var", "SELECT json FROM record ORDER BY id")
        rows = rows[_PAST + begin : -LANES]
        took_ms = [
            sum(one["took_us"] for one in json.loads(text)["stages"]) / 1000 for (text,) in rows
        ]
        pace = (len(steady) - 1) / (steady[-1] - steady[0])
        return pace, statistics.quantiles(took_ms, n=100)[98], late


@contextmanager
def _looked_at(url: str, process: subprocess.Popen[str]) -> Iterator[list[float]]:
    """A browser and a client that reads all again and again, each in a thread of its own."""
    late: list[float] = []

    def look() -> None:
        with browser() as chromium, shown(chromium, url) as tab:
            tab.evaluate(_PAINT)
            while process.poll() is None:
                late[:] = tab.evaluate("() => window.late")
                tab.wait_for_timeout(500)

    def read() -> None:
        while process.poll() is None:
            try:
                with Stream(url) as stream:
                    stream.event()
            except (OSError, AssertionError):
                return

    def look_back() -> None:
        for number in count(1):
            path = _LEAD[number % len(_LEAD)].format(1 + number % _PAST)
            try:
                assert ask(url, f"/lead/{path}").status == 200
            except OSError:
                return  # the station has ended
            looks.append(time.monotonic())

    looks: list[float] = []
    threads = [threading.Thread(target=one) for one in (look, read, look_back)]
    for thread in threads:
        thread.start()
    try:
        yield late
    finally:
        for thread in threads:
            thread.join()
        if len(looks) > 1:
            print(f"  {len(looks) / (looks[-1] - looks[0]):.1f} looks back a second")


def memory(fobs: int) -> list[float]:
    """Resident memory of the page's process after each tenth of the fobs, in MB."""
    seen = []
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as (feed, page):
        (process,) = children()
        with Stream(page.url) as stream:
            for number in range(1, fobs + 1):
                slot = 1 + number % LANES
                for step in range(18):
                    feed.publish(event(slot, LaneState.WRITING, step=step, steps=17))
                feed.publish(result(slot, LaneState.PASS, uid=f"{number:014}"))
                if number % 25 == 0:
                    time.sleep(0.02)
                if number % (fobs // 10) == 0:
                    feed.publish(event(99, LaneState.WRITING, step=number))
                    while not (delta := stream.event()) or not any(
                        tile.step == number for tile in delta.tiles
                    ):
                        pass
                    statm = Path(f"/proc/{process}/statm").read_text("ascii").split()
                    seen.append(int(statm[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20)
    return seen


def main(fobs: int, rounds: int) -> None:
    """Print the figures."""
    figures: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    late: list[float] = []
    for _ in range(rounds):
        for page in (False, True):
            pace, p99_ms, painted = run(fobs, page=page)
            figures[page].append((pace, p99_ms))
            late += painted
            print(f"page {page!s:5}  {pace:6.2f} fobs/s  p99 {p99_ms:7.1f} ms", flush=True)
    for position, what in ((0, "fobs a second"), (1, "p99 of a fob")):
        without, with_page = (
            statistics.median(one[position] for one in figures[page]) for page in (False, True)
        )
        print(f"{what}: {without:.2f} -> {with_page:.2f} ({with_page / without - 1:+.1%})")
    cuts = statistics.quantiles(late, n=100)
    print(f"end of a fob to paint: p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms ({len(late)})")
    print("memory of the page's process, MB:", *(f"{one:.1f}" for one in memory(10_000)))


if __name__ == "__main__":
    main(*map(int, [*sys.argv[1:], "480", "3"][:2]))
