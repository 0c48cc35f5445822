"""Fobs to come, from a file, a pipe and a whole station with a key server."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from kfasync.cli.announced import AnnouncedFile
from kfasync.errors import ConfigError
from tests.cli.stations import PATIENCE_S
from tests.cli.terminal import Run
from tests.klms.world import ServerProcess
from tests.station.keyserver import books, make_klms, pool, station_of

USED = "SELECT uid FROM content WHERE state = 'consumed'"
ONE, TWO = bytes.fromhex("04A1B2C3D4E5F6"), bytes.fromhex("04A1B2C3D4E5F7")
LOOPS = pytest.mark.parametrize("loop", ["asyncio", "trio"])


@pytest.mark.anyio
async def test_a_file_is_announced_in_order_and_bad_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "tray.txt"
    path.write_text(f"{ONE.hex()}\nsecret\n{TWO.hex()}\n" + "x\n" * 20, "utf-8")
    seen: list[bytes] = []
    notes: list[str] = []
    with AnnouncedFile(path) as announced, anyio.fail_after(PATIENCE_S):

        def announce(uid: bytes) -> bool:
            seen.append(uid)
            return True

        await announced.read(announce, notes.append)
    assert seen == [ONE, TWO]
    assert notes[0] == f"announced fobs: {path}, line 2 is left out: it is not hex digits"
    assert len(notes) == 10
    assert notes[9].endswith("; no more are shown")


@pytest.mark.anyio
async def test_who_announces_too_many_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kfasync.cli.announced._FULL_S", 0.0)
    path = tmp_path / "tray.txt"
    path.write_text(ONE.hex(), "utf-8")
    answers = [False, False, True]
    with AnnouncedFile(path) as announced, anyio.fail_after(PATIENCE_S):
        await announced.read(lambda uid: answers.pop(0), _never)
    assert answers == []


@pytest.mark.anyio
async def test_a_pipe_is_read_as_it_comes_and_can_be_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    came = anyio.Event()

    def announce(uid: bytes) -> bool:
        came.set()
        return True

    with os.fdopen(reading) as stdin, os.fdopen(writing, "wb", buffering=0) as writer:
        monkeypatch.setattr(sys, "stdin", stdin)
        writer.write(ONE.hex().encode() + b"\n")
        with AnnouncedFile(Path("-")) as announced, anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(announced.read, announce, _never)
                await came.wait()
                tasks.cancel_scope.cancel()


def _never(note: str) -> None:
    raise AssertionError(note)


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: None], ids=["directory", "missing"])
def test_what_cannot_be_read_is_one_sentence(
    run: Run, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "tray")
    with pytest.raises(ConfigError, match=r"announced fobs: .*tray cannot be read"):
        AnnouncedFile(tmp_path / "tray")


def station_with(klms: Path, server: ServerProcess, lanes: int) -> Path:
    path = station_of(server, klms)
    more = '\n[[lane]]\nreader = "simulated"\n' * lanes
    path.write_text(path.read_text("utf-8") + more, "utf-8")
    return path


@LOOPS
def test_a_station_provisions_what_standard_input_announces(tmp_path: Path, loop: str) -> None:
    klms = make_klms(tmp_path / "dev", 12)
    uids = [f"04{number:012X}" for number in range(1, 7)]
    (trays := tmp_path / "trays").mkdir()
    (trays / "tray 1").write_text("04000000000099\n", "utf-8")
    server = ServerProcess(klms, "--quiet")
    try:
        # On each of the two readers lies a fob before anything is announced.
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "kfasync", "run", "--fobs", "8", "--loop", loop),
                *("--config", str(station_with(klms, server, 2)), "--announce", "-"),
                *("--trays", str(trays)),
            ],
            input="\n".join(uids),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
        done = ended.stdout.splitlines()
        assert done[-1].endswith("stopped: 8 passed, 0 failed")
        assert not list(trays.iterdir())
        assert "had their lease before they came, " in done[-2]
        consumed = {uid for (uid,) in books(klms, USED)}
        assert len(consumed & {*uids, "04000000000099"}) >= 6
        assert books(klms, "SELECT count(*) FROM lease WHERE ended IS NULL") == [(0,)]
        assert pool(server) == (4, 0, 8, 0)
    finally:
        server.stop()
