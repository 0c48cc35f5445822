import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from kfasync.errors import ConfigError, SourceUnavailableError
from kfasync.klms.store import Store
from tests.klms.world import WAIT_S


def count(store: Store) -> int:
    with store.reading() as db:
        found: int = db.execute("SELECT count(*) FROM profile").fetchone()[0]
    return found


def insert(db: sqlite3.Connection, name: str) -> None:
    db.execute("INSERT INTO profile VALUES (?, x'', x'')", (name,))


def test_a_new_file_is_for_its_owner_only_and_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "pool.sqlite"
    store = Store(path)
    with store.transaction() as db:
        insert(db, "one")
    store.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Store(path)
    assert count(again) == 1
    again.close()


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "pool.sqlite")
    with pytest.raises(sqlite3.IntegrityError), store.transaction() as db:
        db.executemany("INSERT INTO profile VALUES (?, x'', x'')", [("one",), ("one",)])
    assert count(store) == 0
    store.close()


def test_a_disk_that_is_full_is_said_and_passes(tmp_path: Path) -> None:
    store = Store(tmp_path / "pool.sqlite")
    with store.reading() as db:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages}")
    with (
        pytest.raises(SourceUnavailableError, match="cannot be used now"),
        store.transaction() as db,
    ):
        db.executemany(
            "INSERT INTO profile VALUES (?, zeroblob(5000), x'')", [(str(n),) for n in range(9)]
        )
    with store.reading() as db:
        db.execute("PRAGMA max_page_count = 1000")
    with store.transaction() as db:
        insert(db, "one")
    assert count(store) == 1
    store.close()


def test_two_processes_wait_for_each_other(tmp_path: Path) -> None:
    stores = [Store(tmp_path / "pool.sqlite") for _ in range(2)]

    def work(number: int) -> None:
        for n in range(20):
            with stores[number].transaction() as db:
                insert(db, f"{number}-{n}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert count(stores[0]) == 40
    for store in stores:
        store.close()


@pytest.mark.parametrize("content", [b"no database" * 100, None], ids=["text", "directory"])
def test_what_is_no_pool_is_refused_in_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "pool.sqlite"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be used as the pool") as caught:
        Store(path)
    assert str(path) in str(caught.value)


def test_a_pool_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pool.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ConfigError, match="a pool of version 99"):
        Store(path)


def test_a_pool_of_the_version_before_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "pool.sqlite"
    store = Store(path)
    with store.transaction() as db:
        insert(db, "1")
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE lease DROP COLUMN repeats")
        db.execute("PRAGMA user_version = 1")
    db.close()
    store = Store(path)
    assert count(store) == 1
    with store.reading() as db:
        assert db.execute("SELECT repeats FROM lease").fetchall() == []
        assert db.execute("PRAGMA user_version").fetchone()[0] == 2
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE content SET state = 'free', uid = NULL, aid = NULL",
        "UPDATE content SET uid = '05'",
        "UPDATE content SET state = 'lost'",
        "UPDATE content SET uid = NULL",
    ],
)
def test_the_file_itself_refuses_what_must_never_be(store: Store, statement: str) -> None:
    with store.transaction() as db:
        db.execute("UPDATE content SET state='consumed', uid='04', aid='A0' WHERE number = 1")
    with pytest.raises(sqlite3.IntegrityError), store.transaction() as db:
        db.execute(f"{statement} WHERE number = 1")


def test_a_unit_has_one_content(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"), store.transaction() as db:
        db.execute("UPDATE content SET state='leased', uid='04', aid='A0' WHERE number < 3")
