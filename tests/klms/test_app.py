"""The API in this process, over ASGI; with TLS and a process of its own it is in test_server."""

import asyncio
import base64
import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from kfasync.contracts.klms import End, LeaseAnswer, LeaseRequest
from kfasync.klms.answer import Answers
from kfasync.klms.app import BODY_MAX, KlmsApp, decode
from kfasync.klms.config import LeaseSection
from kfasync.klms.faults import Fault, Faults
from kfasync.klms.kdf3 import Kdf3, UidPadding
from kfasync.klms.leases import Leases
from kfasync.klms.peer import Peer, _Introduced
from kfasync.klms.refusal import ProblemError
from kfasync.klms.standing import Standing
from kfasync.klms.stock import Stock
from kfasync.klms.store import Store
from tests.klms.world import MASTER, PROFILE, Recipient, end, fresh_key, problem

pytestmark = pytest.mark.anyio
UID = "04A1B2C3D4E5F6"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # what uvicorn runs the application on


class Api:
    """The application, and clients of it."""

    def __init__(self, store: Store, faults: Faults) -> None:
        leases, limits = Leases(store), LeaseSection(ttl_s=5, ttl_max_s=60)
        kdf3 = Kdf3(MASTER, kvn=255, padding=UidPadding.RAW, length_field=True)
        answers = Answers(leases, Stock(store, MASTER), kdf3, faults, ttl_s=5, ttl_max_s=60)
        self.app = KlmsApp(answers, leases, Standing(store), MASTER, limits, faults)
        self.faults = faults

    def client(self, station: str | None = "EOL-01") -> httpx.AsyncClient:
        introduced = _Introduced(self.app, Peer(station, asyncio.Transport()))
        transport = httpx.ASGITransport(introduced, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="https://klms")


@pytest.fixture
def api(store: Store) -> Api:
    return Api(store, Faults(seed=1))


@pytest.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with api.client() as client:
        yield client


async def lease(client: httpx.AsyncClient, of: Recipient, **more: Any) -> httpx.Response:
    body = of.request(UID) | more
    return await client.post("/v1/leases", json=body, headers=fresh_key())


async def test_a_lease_is_sealed_for_its_request(client: httpx.AsyncClient) -> None:
    recipient = Recipient()
    answer = await lease(client, recipient)
    assert answer.status_code == 201
    given = decode(answer.content, LeaseAnswer)
    assert (given.uid, given.ttl_s) == (UID, 5)
    assert [item.dgi for item in given.container.items] == ["A001", "A002", "A004", "A005"]
    assert given.container.items[0].data.decode() == given.container.spid
    block = recipient.open(answer.json())
    keys = Kdf3(MASTER, kvn=255, padding=UidPadding.RAW, length_field=True).derive(
        bytes.fromhex(UID)
    )
    assert block.startswith(b"\x01\x00\x20" + bytes(keys.enc.expose()) + b"\x02\x00\x20")
    assert given.keyset.kcv.enc == keys.kcv.enc.hex().upper()


async def test_a_replay_is_sealed_to_the_new_recipient(client: httpx.AsyncClient) -> None:
    key, first, second = fresh_key(), Recipient(), Recipient()
    one = await client.post("/v1/leases", json=first.request(UID), headers=key)
    # The case of a UUID does not matter.
    key = {name: value.upper() for name, value in key.items()}
    again = await client.post("/v1/leases", json=second.request(UID), headers=key)
    assert (one.status_code, again.status_code) == (201, 200)
    assert one.json()["lease_id"] == again.json()["lease_id"]
    assert first.open(one.json()) == second.open(again.json())


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (30, 30), (3600, 60), (None, 5), (7.0, 7)])
async def test_the_ttl_is_asked_for_and_capped(
    client: httpx.AsyncClient, asked: float | None, given: int
) -> None:
    answer = await lease(client, Recipient(), ttl_s=asked)
    assert answer.json()["ttl_s"] == given


async def test_ends_are_answered_one_by_one(client: httpx.AsyncClient) -> None:
    lease_id = (await lease(client, Recipient())).json()["lease_id"]
    ends = [end(lease_id), end("nobody"), end(lease_id, outcome="fail")]
    answer = await client.post("/v1/outcomes", json={"ends": ends})
    assert answer.status_code == 200
    consumed, unknown, ended = answer.json()["ends"]
    assert consumed == {"lease_id": lease_id, "content": "consumed"}
    assert unknown["problem"]["code"] == "lease-unknown"
    assert ended["problem"]["code"] == "lease-ended"
    assert ended["problem"]["correlation_id"] == answer.headers["X-Correlation-Id"]
    assert problem(await lease(client, Recipient())) == "unit-provisioned"


async def test_what_can_be_read(client: httpx.AsyncClient) -> None:
    pool = (await client.get(f"/v1/pool/{PROFILE}")).json()
    assert pool == {"profile": PROFILE, "free": 5, "leased": 0, "consumed": 0, "quarantined": 0}
    assert (await client.get("/v1/health")).json() == {"status": "ok"}
    assert (await client.get("/v1/time")).json()["server_time"].endswith("Z")
    capabilities = (await client.get("/v1/capabilities")).json()
    assert (capabilities["profiles"], capabilities["key_store"]) == ([PROFILE], "memory")
    assert (capabilities["ttl_s"], capabilities["ttl_max_s"]) == (5, 60)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v1/pool/other", "profile-unknown"),
        ("GET", "/v1/nothing", "not-found"),
        ("GET", "/v1/health/", "not-found"),
        ("GET", "/v1/leases", "method-not-allowed"),
        ("DELETE", "/v1/outcomes", "method-not-allowed"),
        ("POST", "/v1/time", "method-not-allowed"),
    ],
)
async def test_what_is_not_there(
    client: httpx.AsyncClient, method: str, path: str, code: str
) -> None:
    answer = await client.request(method, path)
    assert problem(answer) == code
    assert ("allow" in answer.headers) == (answer.status_code == 405)


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"", "application/json", "invalid-request"),
        (b"{", "application/json", "invalid-request"),
        (b"\xff", "application/json", "invalid-request"),
        (b"[" * 10_000, "application/json", "invalid-request"),
        (b'{"ends": []}', "application/json", "invalid-request"),
        (b"{}", "text/plain", "unsupported-media-type"),
        (b"{}", "", "unsupported-media-type"),
        (b"x" * (BODY_MAX + 1), "application/json", "request-too-large"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/leases", "/v1/outcomes"])
async def test_what_cannot_be_read(
    client: httpx.AsyncClient, path: str, body: bytes, kind: str, code: str
) -> None:
    headers = fresh_key() | {"Content-Type": kind}
    assert problem(await client.post(path, content=body, headers=headers)) == code


async def test_a_body_that_comes_in_chunks_is_not_too_large_either(
    client: httpx.AsyncClient,
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(2):
            yield b"x" * BODY_MAX

    headers = {"Content-Type": "application/json"}
    answer = await client.post("/v1/outcomes", content=chunks(), headers=headers)
    assert problem(answer) == "request-too-large"


async def test_compressed_bodies_are_not_read(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await client.post("/v1/outcomes", content=b"{}", headers=headers)
    assert problem(answer) == "unsupported-media-type"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"station": "EOL-02"}, "station-mismatch"),
        ({"profile": "other"}, "profile-unknown"),
        ({"recipient": {"suite": "other", "public_key": None}}, "suite-unsupported"),
        ({"recipient": {"suite": None, "public_key": "A" * 86 + "=="}}, "invalid-request"),
        ({"slot": 1.5}, "invalid-request"),
        ({"priority": 1}, "invalid-request"),
    ],
)
async def test_what_is_refused(
    client: httpx.AsyncClient, change: dict[str, Any], code: str
) -> None:
    recipient = Recipient()
    if "recipient" in change:
        good = recipient.request(UID)["recipient"]
        given = {name: value for name, value in change["recipient"].items() if value is not None}
        change = {"recipient": good | given}
    assert problem(await lease(client, recipient, **change)) == code


async def test_a_point_that_is_not_on_the_curve_is_refused_by_its_place(
    client: httpx.AsyncClient,
) -> None:
    recipient = Recipient()
    good = recipient.request(UID)["recipient"]
    point = bytearray(base64.b64decode(good["public_key"]))
    point[-1] ^= 1
    answer = await lease(
        client, recipient, recipient=good | {"public_key": base64.b64encode(point).decode()}
    )
    assert problem(answer) == "invalid-request"
    assert "$.recipient.public_key" in answer.json()["detail"]


@pytest.mark.parametrize("key", [None, "", "9b2f6c1e", "9b2f6c1e-3a47-4d0b-8f65-1f0e2d3c4b5g"])
async def test_a_lease_needs_a_uuid(client: httpx.AsyncClient, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await client.post("/v1/leases", json=Recipient().request(UID), headers=headers)
    assert problem(answer) == "idempotency-key-missing"


async def test_a_certificate_that_names_no_station_may_nothing(api: Api) -> None:
    async with api.client(None) as nobody:
        answers = [await nobody.get(f"/v1/{name}") for name in ("health", "time", "capabilities")]
        answers.append(await nobody.get(f"/v1/pool/{PROFILE}"))
        answers.append(await lease(nobody, Recipient()))
        answers.append(await nobody.post("/v1/outcomes", json={"ends": [end("x")]}))
        assert {problem(answer) for answer in answers} == {"station-mismatch"}


@pytest.mark.parametrize(("asked", "kept"), [("abc-1", True), ("a b", False), ("x" * 65, False)])
async def test_the_correlation_id_comes_back(
    client: httpx.AsyncClient, asked: str, kept: bool
) -> None:
    answer = await client.get("/v1/nothing", headers={"X-Correlation-Id": asked})
    assert (answer.headers["X-Correlation-Id"] == asked) is kept
    assert answer.json()["correlation_id"] == answer.headers["X-Correlation-Id"]


async def test_nothing_of_a_body_is_in_answer_or_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    marked = Recipient().request(UID) | {"station": "S3CRET", "nonsense": "S3CRET"}
    answers = [
        await client.post("/v1/leases", json=marked, headers=fresh_key()),
        await client.post("/v1/leases", content=b'{"S3CRET": ', headers=fresh_key()),
        await client.post("/v1/outcomes", json={"ends": [end("x", outcome="S3CRET")]}),
    ]
    assert "S3CRET" not in caplog.text + "".join(answer.text for answer in answers)


async def test_a_failure_says_where_and_nothing_else(
    api: Api, client: httpx.AsyncClient, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with store.transaction() as db:
        db.execute("DROP TABLE lease")
    answer = await lease(client, Recipient())
    assert problem(answer) == "internal-error"
    assert "OperationalError at " in caplog.text
    assert "no such table" not in caplog.text + answer.text


async def test_a_pool_that_cannot_be_used_now_is_asked_again(
    api: Api, client: httpx.AsyncClient, store: Store
) -> None:
    with store.reading() as db:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages}")
    answers = [await lease(client, Recipient()) for _ in range(200)]
    busy = [answer for answer in answers if answer.status_code != 201]
    assert {problem(answer) for answer in busy} == {"unavailable"}
    assert all(answer.headers["Retry-After"] == "1" for answer in busy)


def test_an_integer_may_be_written_as_json_schema_has_it() -> None:
    body = Recipient().request(UID) | {"slot": 2.0, "ttl_s": 1e1}
    asked = decode(json.dumps(body).encode(), LeaseRequest)
    assert (asked.slot, asked.ttl_s) == (2, 10)
    with pytest.raises(ProblemError, match="slot"):
        decode(json.dumps(body | {"slot": 2.5}).encode(), LeaseRequest)


def test_a_refused_end_is_named_by_its_place() -> None:
    with pytest.raises(ProblemError, match="outcome is not as the schema has it"):
        decode(json.dumps(end("x", outcome="done")).encode(), End)


async def faulty(api: Api, fault: Fault) -> tuple[Recipient, httpx.Response]:
    api.faults.rates = {fault: 1.0}
    recipient = Recipient()
    async with api.client() as client:
        return recipient, await lease(client, recipient)


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Fault.TOO_MANY_REQUESTS, "too-many-requests"), (Fault.UNAVAILABLE, "unavailable")],
)
async def test_a_server_that_is_busy_says_for_how_long(api: Api, fault: Fault, code: str) -> None:
    _, answer = await faulty(api, fault)
    assert problem(answer) == code
    assert answer.headers["Retry-After"] == "1"


async def test_the_clock_may_be_off(api: Api) -> None:
    async with api.client() as client:
        right = (await client.get("/v1/time")).json()["server_time"]
        api.faults.rates = {Fault.CLOCK_OFF: 1.0}
        wrong = (await client.get("/v1/time")).json()["server_time"]
    assert wrong[11:13] != right[11:13]


async def test_a_body_may_be_of_100_mb(api: Api) -> None:
    assert len((await faulty(api, Fault.HUGE))[1].content) > 100 * 1024 * 1024


async def test_a_server_may_be_far_away_for_leases_and_for_ends(api: Api) -> None:
    api.faults.lease_s, api.faults.ends_s = 0.02, 0.03
    async with api.client() as client:
        began_s = time.monotonic()
        assert (await lease(client, Recipient())).status_code == 201
        leased_s = time.monotonic()
        await client.post("/v1/outcomes", json={"ends": [end("x")]})
        told_s = time.monotonic()
    assert leased_s - began_s >= 0.02
    assert told_s - leased_s >= 0.03


async def test_a_request_may_be_held_back(api: Api) -> None:
    api.faults.latency_s = 0.01
    assert (await faulty(api, Fault.LATENCY))[1].status_code == 201
