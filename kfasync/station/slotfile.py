"""Which slot each reader had when the station last ran, in a file of the data directory."""

from pathlib import Path

import msgspec

from kfasync.errors import ConfigError

NAME = "slots.json"


def read(path: Path) -> list[str]:
    """The names of the readers by their slots; none when there is no file yet.

    Raises:
        ConfigError: the file is not one of these, or cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[str])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(
            "station.data_dir",
            f"{path} does not say which lane a reader had ({error}); delete it, and the readers "
            "are numbered anew",
        ) from error


def write(path: Path, names: list[str]) -> None:
    """Write it anew; one that is cut off in between leaves the old file.

    Raises:
        OSError: it cannot be written.
    """
    # Not synchronized to the disk: what a power cut can take is a number on a lane.
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(names)) + b"\n")
    fresh.replace(path)
