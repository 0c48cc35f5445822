"""A directory in which trays are announced."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from kfasync.cli.trays import Trays
from kfasync.errors import ConfigError
from tests.cli.stations import PATIENCE_S
from tests.station.desks import uid

pytestmark = pytest.mark.anyio


class Seen:
    """What was announced and noted."""

    def __init__(self) -> None:
        self.uids: list[bytes] = []
        self.notes: list[str] = []
        self._news = anyio.Event()

    def announce(self, uid: bytes) -> bool:
        self.uids.append(uid)
        self._wake()
        return True

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def until(self, over: Callable[[], bool]) -> None:
        with anyio.fail_after(PATIENCE_S):
            while not over():
                with anyio.move_on_after(0.05):
                    await self._news.wait()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kfasync.cli.trays._LOOK_S", 0.01)


def write(directory: Path, name: str, *numbers: int) -> Path:
    """As a program does that wants it whole or not at all."""
    hidden = directory / f".{name}"
    hidden.write_text("".join(f"{uid(number).hex()}\n" for number in numbers), "utf-8")
    return hidden.rename(directory / name)


async def test_each_tray_is_announced_in_order_and_its_file_is_gone(tmp_path: Path) -> None:
    seen = Seen()
    (tmp_path / ".being-written").write_text("no UID\n", "utf-8")
    (tmp_path / "directory").mkdir()
    write(tmp_path, "b", 1, 2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Trays(tmp_path).watch, seen.announce, seen.note)
        await seen.until(lambda: not (tmp_path / "b").exists())
        write(tmp_path, "a", 3)
        await seen.until(lambda: not (tmp_path / "a").exists())
        tasks.cancel_scope.cancel()
    assert seen.uids == [uid(1), uid(2), uid(3)]
    assert seen.notes == []
    assert (tmp_path / ".being-written").exists()
    assert (tmp_path / "directory").exists()


async def test_a_file_that_is_no_tray_is_named_by_its_lines(tmp_path: Path) -> None:
    seen = Seen()
    path = tmp_path / "tray"
    path.write_text("UID;NAME\n", "utf-8")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Trays(tmp_path).watch, seen.announce, seen.note)
        await seen.until(lambda: not path.exists())
        tasks.cancel_scope.cancel()
    assert seen.notes == [f"announced fobs: {path}, line 1 is left out: it is not hex digits"]


async def test_a_file_that_cannot_be_deleted_is_announced_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    seen, trays = Seen(), Trays(tmp_path)
    monkeypatch.setattr(Path, "unlink", refuse)  # root may delete anything
    write(tmp_path, "tray", 1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(trays.watch, seen.announce, seen.note)
        await seen.until(lambda: bool(seen.notes))
        for _ in range(5):
            assert trays._settled(seen.note) == []
        tasks.cancel_scope.cancel()
    assert seen.uids == [uid(1)]
    assert "cannot be deleted (Permission denied); it is left there" in seen.notes[0]


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a directory"):
        Trays(tmp_path / "missing")
