"""Who is let in: attacks on the real process, byte by byte."""

from urllib.parse import urlsplit

import pytest

from kfasync.station.feed import Feed
from kfasync.web.page import Page
from tests.web.pages import ask, raw


def netloc(page: Page) -> str:
    return urlsplit(page.url).netloc


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_every_answer_forbids_everything_that_the_page_does_not_need(
    served_page: tuple[Feed, Page],
) -> None:
    _, page = served_page
    for path in ("/", "/page.js", "/words", "/nothing-here"):
        headers = ask(page.url, path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; ")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        assert not any(name.startswith("access-control") for name in headers)


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        ["evil.example"],
        ["127.0.0.1"],
        ["127.0.0.1:1"],
        ["evil.example:{port}"],
        ["{ours}", "evil.example"],
        ["{ours}", "{ours}"],
        ["{ours}.evil.example"],
        ["{ours}, evil.example"],
        ["user@{ours}"],
    ],
)
def test_a_host_that_is_none_of_ours_reads_nothing(
    served_page: tuple[Feed, Page], hosts: list[str]
) -> None:
    _, page = served_page
    ours = netloc(page)
    lines = [f"Host: {host.format(ours=ours, port=ours.split(':')[1])}" for host in hosts]
    for path in ("/", "/words", "/events"):
        request = "\r\n".join([f"GET {path} HTTP/1.1", *lines, "Connection: close", "", ""])
        answer = raw(page.url, request.encode())
        assert status(answer) in (400, 421)
        assert b"EOL-01" not in answer


def test_our_names_are_taken_in_any_case(served_page: tuple[Feed, Page]) -> None:
    _, page = served_page
    port = netloc(page).split(":")[1]
    for name in ("localhost", "LOCALHOST", "127.0.0.1"):
        assert ask(page.url, "/words", headers={"Host": f"{name}:{port}"}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this host
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": "https://{ours}"},
    ],
)
def test_another_page_reads_nothing(
    served_page: tuple[Feed, Page], headers: dict[str, str]
) -> None:
    _, page = served_page
    said = {name: value.format(ours=netloc(page)) for name, value in headers.items()}
    for path in ("/", "/words", "/events"):
        answer = ask(page.url, path, headers=said)
        assert (answer.status, answer.body) == (403, b"asked by another page\n")


def test_a_change_is_json_from_this_page_and_short(served_page: tuple[Feed, Page]) -> None:
    _, page = served_page
    ours = {"Origin": page.url.rstrip("/"), "Content-Type": "application/json"}
    for changed, expected in (
        ({"Origin": ""}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Length": "4097"}, 413),
        ({"Content-Length": "9" * 4000}, 400),
        ({"Content-Length": "9" * 19}, 413),
        ({"Transfer-Encoding": "chunked"}, 411),
        ({"Content-Length": "2"}, 404),
    ):
        headers = {k: v for k, v in (ours | changed).items() if v}
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = ["POST /nothing HTTP/1.1", f"Host: {netloc(page)}", "Connection: close", *lines]
        answer = raw(page.url, "\r\n".join([*head, "", "{}"]).encode())
        assert status(answer) == expected, changed


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH"])
def test_other_methods_are_refused(served_page: tuple[Feed, Page], method: str) -> None:
    _, page = served_page
    answer = raw(
        page.url,
        f"{method} / HTTP/1.1\r\nHost: {netloc(page)}\r\nConnection: close\r\n\r\n".encode(),
    )
    assert status(answer) == 405


def test_what_is_no_request_and_what_is_too_long_is_refused(
    served_page: tuple[Feed, Page],
) -> None:
    _, page = served_page
    host = f"Host: {netloc(page)}\r\n"
    for request in (
        "nonsense\r\n\r\n",
        f"GET / HTTP/1.1\r\n{host}X: {'x' * 300_000}\r\n\r\n",
        f"GET /{'x' * 300_000} HTTP/1.1\r\n{host}\r\n",
    ):
        answer = raw(page.url, request.encode())
        # Who sends on and on may lose the answer with the connection.
        assert not answer or status(answer) == 400
    assert ask(page.url, "/words").status == 200


@pytest.mark.parametrize(
    "path", ["/../__init__.py", "/static/page.js", "/page.html", "//etc/passwd", "/%2e%2e/app.py"]
)
def test_no_other_file_is_served(served_page: tuple[Feed, Page], path: str) -> None:
    _, page = served_page
    assert ask(page.url, path).status == 404
