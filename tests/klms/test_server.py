"""The server as its users have it: a process of its own, over mutual TLS."""

import contextlib
import socket
import sqlite3
import ssl
import threading
from pathlib import Path

import httpx
import pytest

from kfasync.errors import ConfigError
from kfasync.klms.config import load
from kfasync.klms.depot import open_depot
from kfasync.klms.faults import Faults
from kfasync.klms.server import _listen, serve
from tests.klms.world import (
    AUTHORITIES,
    WAIT_S,
    Recipient,
    ServerProcess,
    client_context,
    end,
    fresh_key,
    make_pieces,
    problem,
)


def raw(server: ServerProcess, request: bytes) -> httpx.Response:
    """Send bytes over TLS, and read what comes back as an HTTP answer."""
    host, _, port = server.url.removeprefix("https://").partition(":")
    with (
        socket.create_connection((host, int(port)), WAIT_S) as plain,
        client_context(server.pki).wrap_socket(plain, server_hostname=host) as tls,
    ):
        tls.sendall(request)
        answer = b""
        with contextlib.suppress(ssl.SSLEOFError):
            while chunk := tls.recv(65536):
                answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)


def test_a_fob_from_lease_to_end(server: ServerProcess) -> None:
    recipient = Recipient()
    with server.client() as station:
        given = station.post("/v1/leases", json=recipient.request("04A1" * 2), headers=fresh_key())
        assert given.status_code == 201, given.text
        assert recipient.open(given.json())[:3] == b"\x01\x00\x20"
        told = station.post("/v1/outcomes", json={"ends": [end(given.json()["lease_id"])]})
    assert told.json()["ends"][0]["content"] == "consumed"


def test_a_station_is_what_its_certificate_says(server: ServerProcess) -> None:
    recipient = Recipient()
    with server.client("EOL-02") as other:
        body = recipient.request("04B1B1B1")
        answer = other.post("/v1/leases", json=body, headers=fresh_key())
        assert problem(answer) == "station-mismatch"
        body = recipient.request("04B1B1B1", "EOL-02")
        lease = other.post("/v1/leases", json=body, headers=fresh_key()).json()
    with server.client() as station:
        told = station.post("/v1/outcomes", json={"ends": [end(lease["lease_id"])]}).json()
    assert told["ends"][0]["problem"]["code"] == "lease-of-another-station"


def test_a_header_without_end_is_a_problem(server: ServerProcess) -> None:
    answer = raw(server, b"GET /v1/time HTTP/1.1\r\nX: " + b"x" * 100_000)
    assert problem(answer) == "invalid-request"


def test_a_body_without_end_is_not_read(server: ServerProcess) -> None:
    head = b"POST /v1/leases HTTP/1.1\r\nHost: klms\r\nContent-Length: 999999999999\r\n\r\n"
    assert problem(raw(server, head)) == "request-too-large"


def test_bytes_without_tls_are_dropped(server: ServerProcess) -> None:
    host, _, port = server.url.removeprefix("https://").partition(":")
    with socket.create_connection((host, int(port)), WAIT_S) as plain:
        plain.sendall(b"GET /v1/time HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert plain.recv(65536) == b""
    with server.client() as station:
        assert station.get("/v1/health").status_code == 200


def test_the_log_has_requests_and_nothing_of_their_bodies(directory: Path) -> None:
    with ServerProcess(directory) as server, server.client() as station:
        body = Recipient().request("04C1C1C1")
        station.post("/v1/leases", json=body, headers=fresh_key())
        station.get("/v1/pool/100%25%0Aevil")
        assert server.stop() == 0
        log = server.log.read_text()
    assert "EOL-01 POST '/v1/leases' 201" in log
    assert "EOL-01 GET '/v1/pool/100%\\nevil' 404" in log
    assert "04C1C1C1" not in log
    assert "Traceback" not in log


def test_a_failure_leaves_no_traceback(directory: Path) -> None:
    with ServerProcess(directory) as server, server.client() as station:
        with contextlib.closing(sqlite3.connect(directory / "pool.sqlite")) as db:
            db.execute("DROP TABLE lease")
        body = Recipient().request("04C2C2C2")
        answer = station.post("/v1/leases", json=body, headers=fresh_key())
        assert problem(answer) == "internal-error"
        assert station.get("/v1/time").status_code == 200
        server.kill()
        log = server.log.read_text()
    assert "OperationalError at " in log
    assert "Traceback" not in log


def test_what_was_answered_is_there_after_a_restart(directory: Path) -> None:
    key, recipient = fresh_key(), Recipient()
    answers = []
    for _ in range(2):
        with ServerProcess(directory) as server, server.client() as station:
            body = recipient.request("04D1D1D1")
            answers.append(station.post("/v1/leases", json=body, headers=key))
            server.kill()
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json()["lease_id"] == answers[1].json()["lease_id"]
    assert answers[0].json()["container"] == answers[1].json()["container"]


@pytest.mark.parametrize("fault", ["cut-before", "cut-after"])
def test_a_connection_may_be_cut_before_or_after_the_work(directory: Path, fault: str) -> None:
    key, recipient = fresh_key(), Recipient()
    with ServerProcess(directory, "--fault", fault) as server, server.client() as station:
        with pytest.raises(httpx.TransportError):
            station.post("/v1/leases", json=recipient.request("04E1E1E1"), headers=key)
        server.kill()
    with ServerProcess(directory) as server, server.client() as station:
        again = station.post("/v1/leases", json=recipient.request("04E1E1E1"), headers=key)
    assert again.status_code == (201 if fault == "cut-before" else 200)


def test_contents_are_imported_while_the_server_runs(directory: Path) -> None:
    with ServerProcess(directory) as server, server.client() as station:
        with open_depot(load(directory / "klms.toml")) as depot:
            depot.stock.add("second", AUTHORITIES, make_pieces(1, "2KM00020"))
        assert station.get("/v1/pool/second").json()["free"] == 1
        body = Recipient().request("04F1F1F1", profile="second")
        assert station.post("/v1/leases", json=body, headers=fresh_key()).status_code == 201


def test_many_stations_at_once_get_different_contents(server: ServerProcess) -> None:
    found: list[str] = []

    def work(number: int) -> None:
        with server.client() as station:
            for n in range(10):
                body = Recipient().request(f"05{number:02X}{n:04X}")
                answer = station.post("/v1/leases", json=body, headers=fresh_key())
                found.append(answer.json()["container"]["fesn"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert len(found) == len(set(found)) == 80


def config(directory: Path, old: str, new: str) -> Path:
    path = directory / "klms.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        serve(load(path), Faults(), lambda url, depot: pytest.fail("it serves"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_port_in_use_is_one_sentence(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(config(directory, "port = 0 ", f"port = {port} "))
    assert f"cannot listen on 127.0.0.1 port {port} (Address already in use)" in said


def test_an_address_of_another_machine_is_one_sentence(directory: Path) -> None:
    said = refusal(config(directory, 'host = "127.0.0.1"', 'host = "192.0.2.1"'))
    assert "cannot listen on 192.0.2.1" in said


def test_answers_do_not_wait_for_acknowledgements() -> None:
    # asyncio sets TCP_NODELAY only where the protocol is named; a lease takes 40 ms more without.
    with contextlib.closing(_listen("127.0.0.1", 0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP
