"""SIGKILL at random moments under load: no content at two units, no answered lease lost."""

import contextlib
import os
import random
import ssl
import threading
from pathlib import Path
from typing import Any

import httpx
import msgspec

from kfasync.klms.config import load
from kfasync.klms.depot import open_depot
from tests.klms.world import KILLS, PROFILE, WAIT_S, Recipient, ServerProcess, end, fresh_key

SEED = int(os.environ.get("KLMS_SEED", "14"))
STATIONS = 4
LOST = (httpx.TransportError, ssl.SSLError)


class Held(msgspec.Struct):
    """What a station was answered, until it has told the end."""

    uid: str
    key: dict[str, str]
    lease_id: str
    fesn: str


class Line:
    """Stations that lease, end and retry, and the one that watches what they are given."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.server: ServerProcess | None = None
        self.round = 0  # of the server
        self.changed = threading.Condition()
        self.answered = 0
        self.owner: dict[str, str] = {}  # FESN to UID, while it may be only that unit's
        self.held: dict[str, Held] = {}  # by UID
        self.faults: list[str] = []
        self.over = False

    def restart(self) -> None:
        with self.changed:
            self.server = ServerProcess(self.directory, "--quiet")
            self.round += 1
            self.changed.notify_all()

    def kill(self) -> None:
        assert self.server is not None
        with self.server:
            self.server.kill()

    def wait_for_answers(self, count: int) -> None:
        with self.changed:
            until = self.answered + count
            assert self.changed.wait_for(lambda: self.answered >= until or self.faults, WAIT_S)

    # ------------------------------------------------------------------------- a station

    def work(self, number: int) -> None:
        try:
            self._work(random.Random(SEED * 100 + number), number)
        except BaseException as error:
            with self.changed:
                self.faults.append(f"station {number}: {error!r}")
                self.changed.notify_all()
            raise

    def _work(self, chance: random.Random, number: int) -> None:
        known, n = 0, 0
        todo: tuple[str, dict[str, str], dict[str, Any]] | None = None
        while not self.over:
            client, known = self._connect(known)
            # A lost connection: the same once more to the next server, as a station does.
            with client, contextlib.suppress(*LOST):
                while not self.over:
                    if todo is None:
                        n += 1
                        body = Recipient().request(f"{number:02X}{n:08X}")
                        todo = ("/v1/leases", fresh_key(), body)
                    path, key, body = todo
                    answer = client.post(path, json=body, headers=key)
                    todo = self._answered(answer, key, body, chance)

    def _connect(self, known: int) -> tuple[httpx.Client, int]:
        """A client of the next server."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.round > known or self.over, WAIT_S)
            assert self.server is not None
            return self.server.client(), self.round

    def _answered(
        self,
        answer: httpx.Response,
        key: dict[str, str],
        body: dict[str, Any],
        chance: random.Random,
    ) -> tuple[str, dict[str, str], dict[str, Any]] | None:
        """Note an answer, and what is to be sent next."""
        with self.changed:
            self.answered += 1
            self.changed.notify_all()
            if "ends" in body:
                assert answer.status_code == 200, answer.text
                (told,) = answer.json()["ends"]
                expected = "consumed" if body["ends"][0]["end"] == "commit" else "free"
                assert told.get("content") == expected, told
                return None
            assert answer.status_code in (200, 201), answer.text
            given, uid = answer.json(), body["unit"]["uid"]
            fesn = given["container"]["fesn"]
            assert self.owner.setdefault(fesn, uid) == uid, (
                f"{fesn} at {self.owner[fesn]} and {uid}"
            )
            self.held[uid] = Held(uid, key, given["lease_id"], fesn)
            # Mostly back into the pool, from where another unit may get it the next moment.
            kind = chance.choices(["abort", "commit", "none"], [8, 1, 1])[0]
            if kind == "none":
                return None
            del self.held[uid]
            if kind == "abort":
                # From the moment this is sent another unit may get it.
                del self.owner[fesn]
        told_end = end(given["lease_id"], kind, touched="none")
        return "/v1/outcomes", {}, {"ends": [told_end]}

    def check(self) -> None:
        """Every lease that was answered and has no end is the same lease now."""
        assert self.server is not None
        with self.changed:
            held = list(self.held.values())
        with self.server.client() as client:
            for one in held[-20:]:
                body = Recipient().request(one.uid)
                again = client.post("/v1/leases", json=body, headers=one.key)
                assert again.status_code == 200, again.text
                found = again.json()
                assert (found["lease_id"], found["container"]["fesn"]) == (one.lease_id, one.fesn)


def test_no_answer_is_lost_and_no_content_is_given_twice(directory: Path) -> None:
    chance = random.Random(SEED)
    line = Line(directory)
    line.restart()
    threads = [threading.Thread(target=line.work, args=(n,)) for n in range(STATIONS)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(KILLS):
            line.wait_for_answers(chance.randrange(1, 16))
            # Up to a few requests later, at any point of one.
            threading.Event().wait(chance.random() * 0.01)
            line.kill()
            line.restart()
            line.check()
        line.wait_for_answers(4 * STATIONS)
    finally:
        line.over = True
        with line.changed:
            line.changed.notify_all()
        for thread in threads:
            thread.join(WAIT_S)
        line.kill()
    assert line.faults == []
    with open_depot(load(directory / "klms.toml")) as depot:
        counts = depot.standing.counts(PROFILE)
    assert counts.quarantined == 0
    assert counts.consumed + counts.leased >= len(line.owner)
    print(f"{KILLS} kills, {line.answered} answers, {counts}")
