"""One exchange: within bounds, over one client, and past every variable of the environment."""

import datetime
import shutil
from pathlib import Path

import pytest

from kfasync.errors import KlmsError, TrustError
from kfasync.klms.pki import Purpose
from kfasync.sources.klms import link as module
from kfasync.sources.klms.link import BODY_MAX, Link
from tests.klms.test_tls import authority_of
from tests.klms.world import ServerProcess
from tests.sources.klms.world import STATION, Answer, Hostile, files, of

pytestmark = pytest.mark.anyio


def link_to(url: str, pki: Path) -> Link:
    return Link(url, STATION, files(pki), lambda sentence: None)


async def refused(pki: Path, answer: Answer) -> KlmsError:
    with Hostile(pki, answer) as hostile:
        link = link_to(hostile.url, pki)
        try:
            with pytest.raises(KlmsError) as caught:
                await link.send("GET", "/v1/time", b"", {}, 10.0)
        finally:
            link.close()
    assert caught.value.code == "answer-malformed"
    return caught.value


@pytest.mark.parametrize("size", [BODY_MAX + 1, 100_000_000])
async def test_an_answer_longer_than_any_is_not_read_to_its_end(
    server: ServerProcess, size: int
) -> None:
    error = await refused(server.pki, lambda path, body: (200, {}, bytes(size)))
    assert f"it is longer than {BODY_MAX} bytes" in str(error)


async def test_the_longest_answer_is_read(server: ServerProcess) -> None:
    with Hostile(server.pki, lambda path, body: (200, {}, bytes(BODY_MAX))) as hostile:
        link = link_to(hostile.url, server.pki)
        assert len((await link.send("GET", "/", b"", {}, 10.0)).body) == BODY_MAX
        link.close()


async def test_a_redirect_is_not_followed(server: ServerProcess) -> None:
    error = await refused(
        server.pki, lambda path, body: (307, {"location": "https://elsewhere/"}, b"")
    )
    assert "it is a redirect (307), and those are not followed; correct source.url" in str(error)


async def test_a_body_that_is_encoded_is_refused(server: ServerProcess) -> None:
    error = await refused(server.pki, lambda path, body: (200, {"content-encoding": "gzip"}, b"x"))
    assert str(error).endswith("its body is encoded")


@pytest.mark.parametrize(
    ("header", "after_s"), [("7", 7.0), ("tomorrow", 0.0), ("9" * 400, 999999)]
)
async def test_how_long_a_server_asks_to_wait(
    server: ServerProcess, header: str, after_s: float
) -> None:
    with Hostile(server.pki, lambda path, body: (503, {"retry-after": header}, b"")) as hostile:
        link = link_to(hostile.url, server.pki)
        reply = await link.send("GET", "/", b"", {}, 10.0)
        link.close()
    assert (reply.status, reply.retry_after_s) == (503, after_s)


async def test_no_variable_of_the_environment_reroutes_or_records_anything(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / "secrets"
    monkeypatch.setenv("SSLKEYLOGFILE", str(secrets))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    link = link_to(of(server), server.pki)
    assert (await link.send("GET", "/v1/time", b"", {}, 10.0)).status == 200
    link.close()
    assert not secrets.exists()


async def test_one_connection_serves_many_requests(server: ServerProcess) -> None:
    ports = set[object]()
    with Hostile(server.pki, lambda path, body: (200, {}, b"")) as hostile:
        hostile.connected = ports.add
        link = link_to(hostile.url, server.pki)
        for _ in range(5):
            await link.send("GET", "/", b"", {}, 10.0)
        link.close()
    assert len(ports) == 1


@pytest.mark.parametrize(
    ("days", "words"), [(300, None), (20, "within 30 days"), (5, "within 7 days"), (0.5, "a day")]
)
async def test_a_certificate_that_runs_out_is_told_of(
    server: ServerProcess, tmp_path: Path, days: float, words: str | None
) -> None:
    pki = tmp_path / "pki"
    shutil.copytree(server.pki, pki)
    authority, _ = authority_of(pki, STATION)
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    made = authority.issue(STATION, names=[f"urn:kfasync:station:{STATION}"], not_after=ends)
    (pki / f"{STATION}.pem").write_bytes(made.certificate_pem())
    (pki / f"{STATION}.key").write_bytes(made.key_pem())
    told = list[str]()
    link = Link(of(server), STATION, files(pki), told.append)
    link.close()
    (sentence,) = told
    assert bool(sentence) == bool(words)
    assert words is None or f"{STATION}.pem runs out within" in sentence
    assert words is None or words in sentence


@pytest.mark.parametrize(("days", "words"), [(300, None), (6.5, "within 7 days")])
async def test_the_server_s_own_certificate_that_runs_out_is_told_of(
    server: ServerProcess, tmp_path: Path, days: float, words: str | None
) -> None:
    pki = tmp_path / "pki"
    shutil.copytree(server.pki, pki)
    authority, _ = authority_of(pki, STATION)
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    made = authority.issue("localhost", Purpose.SERVER, names=["localhost"], not_after=ends)
    (pki / "server.pem").write_bytes(made.certificate_pem())
    (pki / "server.key").write_bytes(made.key_pem())
    told = list[str]()
    with Hostile(pki, lambda path, body: (200, {}, b"")) as hostile:
        link = Link(hostile.url, STATION, files(pki), told.append)
        for _ in range(2):
            await link.send("GET", "/", b"", {}, 10.0)
        link.close()
    # Told once, with the first answer.
    assert [bool(sentence) for sentence in told] == [False, bool(words)]
    if words is not None:
        assert f"the certificate of key server {hostile.url} runs out {words}" in told[-1]
        assert told[-1].endswith("have it renewed")


async def test_the_certificate_of_another_station_is_refused_before_anything_is_sent(
    server: ServerProcess,
) -> None:
    with pytest.raises(TrustError, match=r"is for EOL-02, and station\.id is EOL-01"):
        Link(of(server), STATION, files(server.pki, "EOL-02"), lambda sentence: None)


async def test_the_dates_of_certificates_are_looked_at_again_while_it_runs(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[str]()
    link = Link(of(server), STATION, files(server.pki), told.append)
    await link.send("GET", "/v1/time", b"", {}, 10.0)
    assert told == ["", ""]  # at the start, and when the server has shown its own
    monkeypatch.setattr(module, "_WARN_S", 0.0)
    await link.send("GET", "/v1/time", b"", {}, 10.0)
    assert told == ["", "", ""]
    link.close()
