"""The key server of a demo: made, filled, served, and gone when the context is left."""

from pathlib import Path

import anyio
import pytest

from kfasync.cli import keyserver
from kfasync.cli.demo import furnish
from kfasync.cli.keyserver import KeyServer
from kfasync.errors import SourceUnavailableError
from kfasync.station.config import load
from kfasync.station.inquiry import inquire


def make(tmp_path: Path, fobs: int) -> KeyServer:
    furnish(tmp_path, fobs, None)
    return KeyServer(tmp_path, tmp_path / "containers", tmp_path / "certificates")


def test_it_serves_its_content_until_the_context_is_left(tmp_path: Path) -> None:
    with make(tmp_path, 2) as server:
        found = anyio.run(inquire, load(server.config))
        assert found.pool.free == 2
        assert found.key_store == ("pkcs11" if "token" in server.where else "memory")
        assert server.url in server.config.read_text("utf-8")
    with pytest.raises(SourceUnavailableError, match="does not answer"):
        anyio.run(inquire, load(server.config))


def test_a_server_that_does_not_start_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make(tmp_path, 0)
    (tmp_path / "klms" / "pki" / "server.pem").unlink()
    with pytest.raises(SourceUnavailableError, match=r"did not start: kfasync: .*server\.pem"):
        server.__enter__()
    monkeypatch.setattr(keyserver, "_START_S", 0.0)
    with pytest.raises(SourceUnavailableError, match="did not start"):
        server.__enter__()
    server.__exit__(None, None, None)
