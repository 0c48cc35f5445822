"""``kfasync run`` with a page, as a process, seen through HTTP; in a browser in tests/web."""

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kfasync.station.states import LaneState
from tests.cli.stations import Running, write_simulated
from tests.cli.terminal import Run
from tests.pcscd.floor import sample_keys
from tests.station.desks import sql
from tests.web.pages import PATIENCE_S, Stream, ask


def with_page(directory: Path, lanes: int, made: int, web: str = "port = 0") -> Path:
    config = write_simulated(directory, lanes, made)
    config.write_text(config.read_text("utf-8") + f"\n[web]\n{web}\n", "utf-8")
    return config


def url_of(station: Running) -> str:
    return station.until("the page is at ").rpartition(" ")[2]


def secrets_of(directory: Path) -> dict[str, bytes]:
    """The static keys of the fobs, and what each container hides."""
    keys = sample_keys()
    found = {name: bytes(getattr(keys, name).expose()) for name in ("enc", "mac", "dek")}
    for container in (directory / "containers").glob("1KM*"):
        private = serialization.load_der_private_key(
            (container / "keyfob_private.der").read_bytes(), None
        )
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        scalar = private.private_numbers().private_value
        found[f"{container.name} scalar"] = scalar.to_bytes(32, "big")
        irk = (container / "irk_keyfob.key").read_bytes()
        found[f"{container.name} IRK"] = base64.b64decode(irk)
    return found


def found_in(payload: bytes, secrets: dict[str, bytes]) -> list[str]:
    """Those that stand there in hex, in base64 or as they are; the payload is in lower case."""
    return [
        name
        for name, secret in secrets.items()
        if any(
            form in payload
            for form in (
                secret.hex().encode(),
                base64.b64encode(secret).lower().rstrip(b"="),
                secret.lower(),
            )
        )
    ]


def page_process(station: Running) -> int:
    of = subprocess.run(
        ["pgrep", "-P", str(station.process.pid), "-f", "kfasync.web"],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(of.stdout)


def test_the_page_shows_what_the_station_does_and_ends_with_it(tmp_path: Path) -> None:
    with Running(with_page(tmp_path, lanes=2, made=40)) as station:
        url = url_of(station)
        with Stream(url) as stream:
            heard = stream.until(1, LaneState.WRITING)
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline and (
                sum(len(delta.results) for delta in heard) < 20
                or not any(delta.strip and delta.strip.content is not None for delta in heard)
            ):
                if (delta := stream.event()) is not None:
                    heard.append(delta)
            assert sum(len(delta.results) for delta in heard) >= 20
            assert any(delta.strip and delta.strip.content is not None for delta in heard)
            payload = b"".join(stream.raw)
        looks = ["history", "yield", "stages", *(f"records/{number}" for number in range(1, 21))]
        answers = [ask(url, f"/lead/{path}") for path in looks]
        answers += [ask(url, path) for path in ("/words", "/metrics")]
        assert {answer.status for answer in answers} == {200}
        payload = b"".join([payload, *(answer.body for answer in answers)]).lower()
        child = page_process(station)
        station.signal(signal.SIGTERM)
        assert station.ended() == 0
    assert found_in(payload, secrets_of(tmp_path)) == []
    assert found_in(payload + b"a5" * 16, {"planted": b"\xa5" * 16}) == ["planted"]
    assert not Path(f"/proc/{child}").exists()
    assert sorted(name.name for name in (tmp_path / "var").glob("*.sock")) == []


def test_a_page_that_is_stopped_and_then_killed_costs_no_fob(tmp_path: Path) -> None:
    with Running(with_page(tmp_path, lanes=4, made=30), "--fobs", "20") as station:
        url_of(station)
        station.until("  PASS  ")
        child = page_process(station)
        os.kill(child, signal.SIGSTOP)
        for _ in range(6):
            station.until("  PASS  ")
        os.kill(child, signal.SIGKILL)
        assert station.ended() == 0
        assert any("page: its process has ended (signal 9)" in line for line in station.lines)
        passed = [line for line in station.lines if "  PASS  " in line]
    assert len(passed) == 20
    assert len(set(re.findall("1KM[0-9A-F]{5}", "\n".join(passed)))) == 20
    rows = sql(tmp_path / "var", "SELECT count(*) FROM content WHERE state = 'CONSUMED'")
    assert rows[0][0] == 20


def test_on_another_address_without_tls_and_token_it_does_not_start(
    run: Run, tmp_path: Path
) -> None:
    ended = run("run", "--config", with_page(tmp_path, 1, 1, 'host = "0.0.0.0"\nnames = ["x"]'))
    assert ended.code == 2
    assert "takes certificate, key and token" in ended.err
    assert not (tmp_path / "var").exists()


def test_an_address_that_is_taken_is_a_sentence_and_not_a_station_without_page(
    run: Run, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("run", "--config", with_page(tmp_path, 1, 5, f"port = {port}"))
    assert (ended.code, f"cannot listen on 127.0.0.1 port {port}" in ended.err) == (2, True)


def test_a_station_without_a_page_loads_nothing_of_a_server() -> None:
    code = (
        "import sys, kfasync.cli.run; "
        "print(sorted({'starlette', 'uvicorn', 'asyncio'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "starlette" not in ended.stdout
    assert "uvicorn" not in ended.stdout
