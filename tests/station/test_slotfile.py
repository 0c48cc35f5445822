from pathlib import Path

import pytest

from kfasync.errors import ConfigError
from kfasync.station.slotfile import read, write


def test_what_was_written_is_read_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "slots.json"
    assert read(path) == []
    for names in (["A", "", 'B "quoted" (RR-1) 00 00'], ["Leser für Übung"], []):
        write(path, names)
        assert read(path) == names
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b'["A"', b'["A", 2]', b"{}", b'["\xff"]'])
def test_a_file_that_is_none_of_these_is_named_with_the_way_out(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "slots.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"slots\.json does not say .*; delete it"):
        read(path)


def test_a_write_that_is_cut_off_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "slots.json"
    write(path, ["A"])
    (tmp_path / "slots.new").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        write(path, ["A", "B"])
    assert read(path) == ["A"]
