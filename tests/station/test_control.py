"""The socket through which a person speaks to a station, as a real socket."""

import socket
import stat
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from kfasync.errors import LaneError, NoStationError
from kfasync.station.control import FILE_NAME, Answer, LaneLine, Request, ask, serve
from tests.station.desks import PATIENCE_S

pytestmark = pytest.mark.anyio

LANES = [LaneLine(1, "R 00", "empty"), LaneLine(2, "R 01", "stopped", "two in a row")]


async def answer(request: Request) -> Answer:
    if request.resume == 9:
        raise LaneError("there is no lane 9")
    return Answer(LANES)


@pytest.mark.parametrize("deep", [False, True])
async def test_a_question_is_answered_and_the_socket_is_the_owner_s_alone(
    tmp_path: Path, deep: bool
) -> None:
    # Deeper than the system's names of sockets are long.
    directory = tmp_path / ("d" * 60) / ("e" * 60) if deep else tmp_path
    directory.mkdir(parents=True, exist_ok=True)
    with anyio.fail_after(PATIENCE_S):
        async with serve(directory, answer):
            mode = (directory / FILE_NAME).stat().st_mode
            assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)
            for request in (Request(), Request(resume=2)):
                assert (await to_thread.run_sync(ask, directory, request)).lanes == LANES
            with pytest.raises(LaneError, match="there is no lane 9"):
                await to_thread.run_sync(ask, directory, Request(resume=9))
    assert not (directory / FILE_NAME).exists()


async def test_a_socket_that_a_killed_station_has_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / FILE_NAME))
    with pytest.raises(NoStationError, match="no station runs on data directory"):
        ask(tmp_path, Request())
    with anyio.fail_after(PATIENCE_S):
        async with serve(tmp_path, answer):
            assert (await to_thread.run_sync(ask, tmp_path, Request())).lanes == LANES


async def test_what_is_not_understood_is_refused_and_the_next_one_is_heard(tmp_path: Path) -> None:
    def say(line: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(str(tmp_path / FILE_NAME))
            connection.sendall(line)
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as stream:
                return stream.readline()

    with anyio.fail_after(PATIENCE_S):
        async with serve(tmp_path, answer):
            for line in (b"what?\n", b'{"stop": true}\n', b"[" * 70_000):
                assert b"not understood" in await to_thread.run_sync(say, line)
            assert await to_thread.run_sync(say, b"half a") == b""
            assert (await to_thread.run_sync(ask, tmp_path, Request())).lanes == LANES


def test_where_no_station_runs_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoStationError, match=r"no station runs on data directory .* `kfasync run`"):
        ask(tmp_path, Request())
    with pytest.raises(NoStationError):
        ask(tmp_path / "none", Request())
