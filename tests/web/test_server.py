"""The process by itself; fed by a station in the other files."""

import socket
import subprocess
import sys
from pathlib import Path

import msgspec

from kfasync.station.advice import Language
from kfasync.station.control import socket_name
from kfasync.station.web import WebSection
from kfasync.web.feeder import FILE_NAME, HEAD
from kfasync.web.settings import Settings, listen
from kfasync.web.view import Delta, Tile
from tests.web.pages import PATIENCE_S, Stream, ask


def test_it_ends_when_the_station_does_and_says_before_that_nothing_more_comes(
    tmp_path: Path,
) -> None:
    with (
        listen(WebSection(port=0)) as listener,
        socket.socket(socket.AF_UNIX) as feeding,
        socket_name(tmp_path, FILE_NAME) as name,
    ):
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        feeding.bind(name)
        feeding.listen()
        feeding.settimeout(PATIENCE_S)
        settings = Settings(
            directory=str(tmp_path),
            descriptor=listener.fileno(),
            station="EOL-01",
            language=Language.ENGLISH,
            hosts=(host,),
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "kfasync.web"],
            stdin=subprocess.PIPE,
            pass_fds=(listener.fileno(),),
        )
        try:
            assert process.stdin is not None
            with process.stdin as pipe:
                pipe.write(msgspec.json.encode(settings))
            connection, _ = feeding.accept()
            with connection:
                delta = Delta(
                    epoch="e", seq=1, whole=True, tiles=(Tile(slot=1, reader="R", state="empty"),)
                )
                message = msgspec.msgpack.encode(delta)
                connection.sendall(len(message).to_bytes(HEAD, "big") + message)
                with Stream(settings.url) as stream:
                    while stream.event() is None:
                        pass
                    # It says nothing any more, and is not gone: it hangs.
                    while "stale" not in stream.beats:
                        stream.event()
                for path in ("/health", "/ready"):
                    assert ask(settings.url, path).body == b"the station says nothing\n"
                assert b"\nkfasync_station_up 0.0\n" in ask(settings.url, "/metrics").body
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait(PATIENCE_S)
