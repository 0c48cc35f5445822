"""What is served; who it is served to is in test_doorman."""

import contextlib
import datetime
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kfasync.station.feed import Feed
from kfasync.station.states import LaneState
from kfasync.web.page import Page
from tests.web.pages import PATIENCE_S, Stream, ask, event, result, served

TOKEN = "ab" * 32


def test_the_page_is_whole_and_names_nothing_from_outside(served_page: tuple[Feed, Page]) -> None:
    _, page = served_page
    html = ask(page.url, "/").body.decode()
    assert "http:" not in html
    assert "https:" not in html
    for path, kind in (
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/tiles.js", "text/javascript"),
        ("/news.js", "text/javascript"),
        ("/tones.js", "text/javascript"),
        ("/barlow-condensed-500.woff2", "font/woff2"),
        ("/barlow-condensed-700.woff2", "font/woff2"),
    ):
        answer = ask(page.url, path)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith(kind)
        text = answer.body.decode("latin-1").replace("http://www.w3.org/2000/svg", "")
        assert kind == "font/woff2" or "://" not in text
    assert json.loads(ask(page.url, "/words").body)["station"] == "EOL-01"


def test_a_hundred_connections_leave_a_page_that_is_open_alone(tmp_path: Path) -> None:
    with (
        served(tmp_path) as (feed, page),
        Stream(page.url) as stream,
        contextlib.ExitStack() as held,
    ):
        place = urlsplit(page.url)
        for number in range(100):
            connection = held.enter_context(
                socket.create_connection((place.hostname, place.port), PATIENCE_S)
            )
            # A third says nothing, a third half a request, and a third never reads.
            said = (
                b"",
                b"GET / HT",
                f"GET /events HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode(),
            )
            connection.sendall(said[number % 3])
        for number in range(50):
            feed.publish(result(1, LaneState.PASS, uid=f"{number:04}"))
            if number % 10 == 9:
                stream.until(1, LaneState.PASS)
        feed.publish(event(2, LaneState.WRITING))
        stream.until(2, LaneState.WRITING)
        held.close()
        # And when they have gone, the next one is let in.
        with Stream(page.url) as later:
            assert len(later.until(2, LaneState.WRITING)[0].results) == 50


def test_over_tls_only_who_knows_the_token_is_told_anything(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    web = f'port = 0\ncertificate = "page.pem"\nkey = "page.key"\ntoken = "{TOKEN}"'
    with served(tmp_path, web) as (feed, page):
        assert page.url.startswith("https://")
        for said in ({}, {"Authorization": f"Bearer {'ab' * 31}ac"}, {"Authorization": "Bearer x"}):
            answer = ask(page.url, "/events", headers=said)
            assert (answer.status, answer.body) == (401, b"the token is missing or wrong\n")
        feed.publish(event(1, LaneState.EMPTY))
        with Stream(page.url, headers={"Authorization": f"Bearer {TOKEN}"}) as stream:
            stream.until(1, LaneState.EMPTY)


def make_certificate(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "page")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (directory / "page.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "page.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
