"""A station whose content comes from a key server: the reference one, as `klms init` makes it."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from kfasync.contracts.klms import PoolAnswer
from kfasync.klms.config import load as load_klms
from kfasync.klms.depot import open_depot, open_kdf3
from kfasync.klms.development import Plan, make
from kfasync.klms.stock import Authorities, Piece
from kfasync.model import KeySet
from kfasync.sources.container import read_certificates
from kfasync.station.config import LoadedConfig, load
from tests.klms.world import ServerProcess, make_pieces
from tests.station.desks import FIXTURES, PROFILE

NO_TTL: Mapping[str, str] = {}


def make_klms(directory: Path, contents: int, pieces: Sequence[Piece] = ()) -> Path:
    """A key server with that much content, and the configuration of a station that fits."""
    loaded = make(directory, Plan(port=0))
    # Real ones: a simulated fob looks at what it is given.
    certificates = read_certificates(FIXTURES / "certificates")
    with open_depot(loaded) as depot:
        depot.stock.add(
            PROFILE,
            Authorities(certificates.ica, certificates.cms_root),
            pieces or make_pieces(contents),
        )
    return directory


def station_of(
    server: ServerProcess,
    directory: Path,
    edits: Mapping[str, str] = NO_TTL,
    *,
    station: str = "EOL-01",
) -> Path:
    """The station.toml beside a server, which is told the server's port."""
    text = (directory / "station.toml").read_text("utf-8").replace("EOL-01", station)
    edits = {"https://localhost:0": server.url.replace("127.0.0.1", "localhost"), **edits}
    for old, new in edits.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = directory / f"{station}.toml"
    path.write_text(text, "utf-8")
    return path


def loaded_station(
    server: ServerProcess, directory: Path, edits: Mapping[str, str] = NO_TTL
) -> LoadedConfig:
    """The same, read."""
    return load(station_of(server, directory, edits))


def keys_of_fob(directory: Path, uid: bytes) -> KeySet:
    """What the server derives for a fob."""
    with open_kdf3(load_klms(directory / "klms.toml")) as kdf3:
        return kdf3.derive(uid)


def pool(server: ServerProcess) -> tuple[int, int, int, int]:
    """Free, leased, consumed, quarantined."""
    with server.client() as client:
        answer = msgspec.json.decode(client.get(f"/v1/pool/{PROFILE}").content, type=PoolAnswer)
    return answer.free, answer.leased, answer.consumed, answer.quarantined


def books(directory: Path, statement: str) -> list[tuple[object, ...]]:
    """Ask the server's pool behind its back."""
    connection = sqlite3.connect(directory / "pool.sqlite")
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()
