import hashlib
import socket
from pathlib import Path

import pytest

from kfasync.errors import ConfigError
from kfasync.station.advice import Language
from kfasync.station.web import WebSection
from kfasync.web.settings import Settings, listen, settings_of
from tests.web.pages import write_web


def told(directory: Path, web: str) -> Settings:
    loaded = write_web(directory, web)
    assert loaded.config.web is not None
    with listen(loaded.config.web) as listener:
        return settings_of(loaded, loaded.config.web, Language.ENGLISH, listener)


def test_the_page_answers_to_its_address_and_to_the_names_that_it_was_given(
    tmp_path: Path,
) -> None:
    settings = told(tmp_path, 'port = 0\nnames = ["EOL-01.example"]')
    port = settings.hosts[0].rpartition(":")[2]
    assert settings.hosts == tuple(
        f"{name}:{port}" for name in ("127.0.0.1", "eol-01.example", "localhost")
    )
    assert settings.url == f"http://127.0.0.1:{port}/"
    assert settings.token_sha256 == ""


def test_of_the_token_only_a_digest_is_told(tmp_path: Path) -> None:
    settings = told(tmp_path, f'port = 0\ntoken = "{"ab" * 16}"')
    assert settings.token_sha256 == hashlib.sha256(b"\xab" * 16).hexdigest()
    assert "ab" * 16 not in str(settings)


def test_an_address_that_is_taken_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1 port {port}"):
            listen(WebSection(port=port))


def test_a_certificate_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    for name in ("page.pem", "page.key"):
        (tmp_path / name).write_text("no certificate", "utf-8")
    with pytest.raises(ConfigError, match=r"web\.certificate .* cannot be used"):
        told(tmp_path, 'port = 0\ncertificate = "page.pem"\nkey = "page.key"')
