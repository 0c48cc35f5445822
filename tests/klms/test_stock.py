from pathlib import Path

import msgspec
import pytest
from cryptography.exceptions import InvalidTag

from kfasync.errors import ConfigError, SourceError
from kfasync.klms.kdf3 import MemoryKey
from kfasync.klms.stock import Piece, Stock
from kfasync.klms.store import Store
from kfasync.secret import Secret
from tests.klms.world import AUTHORITIES, MASTER, PROFILE, make_pieces

PIECES = make_pieces(3)
OTHER = PIECES[2]


@pytest.fixture
def stock(tmp_path: Path) -> Stock:
    stock = Stock(Store(tmp_path / "pool.sqlite"), MASTER)
    stock.add(PROFILE, AUTHORITIES, PIECES[:2])
    return stock


def copy(piece: Piece, **changes: object) -> Piece:
    return msgspec.structs.replace(piece, **changes)


def test_a_batch_imported_twice_is_refused(stock: Stock) -> None:
    with pytest.raises(SourceError, match="2 of 2 packages are in the pool already"):
        stock.add(PROFILE, AUTHORITIES, PIECES[:2])


@pytest.mark.parametrize(
    ("piece", "shared"),
    [
        (copy(OTHER, fesn=PIECES[0].fesn), "FESN"),
        (copy(OTHER, spid=PIECES[0].spid.lower()), "SPID"),
        (copy(OTHER, scalar=PIECES[0].scalar), "device key"),
        (copy(OTHER, irk=PIECES[0].irk), "IRK"),
        (copy(PIECES[0], fesn="1KM99999", spid="0" * 40), "device key and IRK"),
    ],
    ids=["fesn", "spid", "device key", "irk", "renamed"],
)
def test_content_is_what_it_is(stock: Stock, piece: Piece, shared: str) -> None:
    sentence = f"{piece.fesn}: same {shared} as {PIECES[0].fesn}"
    with pytest.raises(SourceError, match=sentence):
        stock.add(PROFILE, AUTHORITIES, [piece])


def test_a_batch_with_something_known_adds_nothing(stock: Stock) -> None:
    with pytest.raises(SourceError, match="nothing was imported: 1 of 2"):
        stock.add(PROFILE, AUTHORITIES, [OTHER, PIECES[0]])
    stock.add(PROFILE, AUTHORITIES, [OTHER])


def test_a_batch_that_holds_the_same_twice_is_refused(stock: Stock) -> None:
    twin = copy(OTHER, fesn="1KM99999", spid="0" * 40, irk=Secret(b"x" * 16))
    with pytest.raises(SourceError, match=f"1KM99999: same device key as {OTHER.fesn}"):
        stock.add(PROFILE, AUTHORITIES, [OTHER, twin])


def test_no_secret_is_readable_in_the_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "pool.sqlite")
    Stock(store, MASTER).add(PROFILE, AUTHORITIES, PIECES)
    store.close()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for piece in PIECES:
        assert piece.fesn.encode() in written
        assert bytes(piece.scalar.expose()) not in written
        assert bytes(piece.irk.expose()) not in written


def test_secrets_come_back_under_their_own_name_only(tmp_path: Path) -> None:
    store = Store(tmp_path / "pool.sqlite")
    stock = Stock(store, MASTER)
    stock.add(PROFILE, AUTHORITIES, PIECES)
    with store.reading() as db:
        rows = {row["fesn"]: row["secrets"] for row in db.execute("SELECT * FROM content")}
    for piece in PIECES:
        assert stock.secrets(piece.fesn, rows[piece.fesn]) == (piece.scalar, piece.irk)
    with pytest.raises(InvalidTag):
        stock.secrets(PIECES[0].fesn, rows[PIECES[1].fesn])
    store.close()


def test_another_master_key_is_refused_in_a_sentence(tmp_path: Path) -> None:
    store = Store(tmp_path / "pool.sqlite")
    Stock(store, MASTER)
    Stock(store, MASTER)
    with pytest.raises(ConfigError, match="another master key"):
        Stock(store, MemoryKey(Secret(bytes(16))))
    store.close()
