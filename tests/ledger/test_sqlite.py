"""The file: what waits is committed together, and each piece of work stands or falls alone."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kfasync.errors import LedgerError, SourceError
from kfasync.ledger.ledger import FILE_NAME, Ledger
from kfasync.ledger.sqlite import Session, Store, _Work
from kfasync.model import ContentState, Mark
from tests.native_build import library
from tests.station.desks import PATIENCE_S, content, lease, unit

ROOT = Path(__file__).parents[2]
SHIM = ROOT / "benchmarks" / "slow_fsync.c"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "file")
    opened.write(lambda session: session.plain("CREATE TABLE t (n INTEGER UNIQUE)"))
    yield opened
    opened.close()


def insert(number: int, then: Callable[[], None] = lambda: None) -> Callable[[Session], int]:
    def work(session: Session) -> int:
        session.plain(f"INSERT INTO t VALUES ({number})")
        then()
        return number

    return work


def numbers(store: Store) -> set[int]:
    return store.read(lambda session: {row["n"] for row in session.plain("SELECT n FROM t")})


def together(
    store: Store, *works: Callable[[Session], int], single: bool = False
) -> list[int | Exception]:
    """Have all of these wait for one lock, so that one thread carries out all of them."""
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        inside.set()
        assert go_on.wait(PATIENCE_S)

    def write(work: Callable[[Session], int]) -> int | Exception:
        try:
            return store.write(work, single=single)
        except (LedgerError, SourceError) as error:
            return error

    with ThreadPoolExecutor(len(works) + 1) as threads:
        first = threads.submit(store.write, insert(0, hold))
        assert inside.wait(PATIENCE_S)
        queued = [threads.submit(write, work) for work in works]
        while len(store._waiting) < len(works):
            threading.Event().wait(0.001)
        go_on.set()
        assert first.result(PATIENCE_S) == 0
        return [one.result(PATIENCE_S) for one in queued]


def test_what_waits_is_committed_together(store: Store) -> None:
    seen: list[int] = []
    commits = 0

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    store._connection.set_trace_callback(count)
    works = [insert(number, lambda: seen.append(threading.get_ident())) for number in range(1, 6)]
    assert together(store, *works) == [1, 2, 3, 4, 5]
    assert (commits, len(set(seen))) == (2, 1)
    assert numbers(store) == set(range(6))


@pytest.mark.parametrize("single", [False, True])
def test_one_that_fails_undoes_its_own_work_and_no_other(store: Store, single: bool) -> None:
    def refuse() -> None:
        raise SourceError("not for you")

    def refuse_first(session: Session) -> int:
        raise SourceError("not for you")

    # Single work fails in its one statement, or before it.
    works = (insert(1), refuse_first if single else insert(2, refuse), insert(1), insert(4))
    one, two, three, four = together(store, *works, single=single)
    assert (one, four) == (1, 4)
    assert str(two) == "not for you"
    assert isinstance(three, LedgerError)
    assert "UNIQUE constraint failed" in str(three)
    assert numbers(store) == {0, 1, 4}


def test_single_work_alone_is_a_transaction_by_itself(store: Store) -> None:
    said: list[str] = []
    store._connection.set_trace_callback(said.append)
    assert store.write(insert(7), single=True) == 7
    with pytest.raises(LedgerError, match="UNIQUE"):
        store.write(insert(7), single=True)
    assert said == ["INSERT INTO t VALUES (7)"] * 2
    assert numbers(store) == {7}


def test_one_alone_that_fails_undoes_its_work(store: Store) -> None:
    with pytest.raises(LedgerError, match=r"file cannot be used: UNIQUE"):
        store.write(lambda session: [insert(7)(session), insert(7)(session)])
    assert numbers(store) == set()
    assert store.write(insert(7)) == 7


def test_a_transaction_that_is_lost_is_lost_for_all_that_were_in_it(store: Store) -> None:
    def end_it(session: Session) -> int:
        session.plain("ROLLBACK")
        return 0

    answers = together(store, insert(1), end_it, insert(3))
    assert all(isinstance(answer, LedgerError) for answer in answers)
    assert numbers(store) == {0}


def test_who_is_interrupted_leaves_the_work_of_others_to_them(store: Store) -> None:
    def interrupt(session: Session) -> int:
        raise KeyboardInterrupt

    mine = _Work(interrupt, durable=True, single=False)
    with ThreadPoolExecutor(1) as threads:
        with store._lock:
            late = threads.submit(store.write, insert(2))
            while not store._waiting:
                threading.Event().wait(0.001)
            store._waiting.append(mine)
            # From the keyboard, while this thread carries out both.
            with pytest.raises(KeyboardInterrupt):
                store._commit_waiting(mine)
        assert late.result(PATIENCE_S) == 2
    assert numbers(store) == {2}


def test_a_store_that_was_closed_says_so(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "file")
    for _ in range(2):
        store.close()
    with pytest.raises(LedgerError, match="cannot be used: Cannot operate on a closed database"):
        store.read(lambda session: session.plain("SELECT 1"))
    with pytest.raises(LedgerError, match="cannot be used: Cannot operate on a closed database"):
        store.write(lambda session: session.plain("SELECT 1"))


# --------------------------------------------------------------------------- a cut of the power


def after_a_power_cut(directory: Path, log_bytes: int, to: Path) -> Ledger:
    """The ledger as it is found when only so much of its log has reached the disk."""
    to.mkdir()
    shutil.copy(directory / FILE_NAME, to)
    log = (directory / f"{FILE_NAME}-wal").read_bytes()[:log_bytes]
    (to / f"{FILE_NAME}-wal").write_bytes(log)
    return Ledger.open(to)


def test_a_power_cut_between_a_claim_and_its_burned_loses_nothing(tmp_path: Path) -> None:
    """A claim is not flushed. All that a power cut can take is what no card has seen yet."""
    ledger = Ledger.open(tmp_path / "var")
    log = tmp_path / "var" / f"{FILE_NAME}-wal"
    ledger.offer([content(1), content(2)])
    flushed = log.stat().st_size
    claimed = ledger.claim(unit(1))
    assert claimed is not None
    unflushed = log.stat().st_size
    assert unflushed > flushed
    free, burned = {ContentState.FREE: 2}, {ContentState.FREE: 1, ContentState.BURNED: 1}
    # Whatever part of the claim has come to the disk, it was not followed by a STORE DATA.
    for number, size in enumerate(range(flushed, unflushed + 1, 512)):
        found = after_a_power_cut(tmp_path / "var", size, tmp_path / f"cut-{number}")
        assert {state: n for state, n in found.counts().items() if n} == free
        assert found.unfinished() == []
        found.close()
    # BURNED is in the same log, behind the claim: one flush has both.
    ledger.mark(lease(claimed[0], unit(1), claimed[1]), Mark.BURNED)
    found = after_a_power_cut(tmp_path / "var", log.stat().st_size, tmp_path / "burned")
    assert {state: n for state, n in found.counts().items() if n} == burned
    assert [left.content for left in found.unfinished()] == [claimed[1]]
    found.close()
    ledger.close()


COUNTED = """
import ctypes, sys
from pathlib import Path
from kfasync.ledger.attempts import Ending
from kfasync.ledger.ledger import Ledger
from kfasync.model import ContentState, Disposition, Mark
from tests.station.desks import content, lease, unit

fsyncs = ctypes.c_int.in_dll(ctypes.CDLL(None), "kf_fsyncs")
ledger = Ledger.open(Path(sys.argv[1]))
ledger.offer([content(1)])
counts = [fsyncs.value]
ledger.standing(unit(1))
lease_id, given = ledger.claim(unit(1))
counts.append(fsyncs.value)
held = lease(lease_id, unit(1), given)
for mark in (Mark.BURNED, Mark.LAST_SENT):
    ledger.mark(held, mark)
    counts.append(fsyncs.value)
ledger.finish(Ending(attempt="a", record="{}", disposition=Disposition.PASS, unit=unit(1),
                     lease=held, state=ContentState.CONSUMED))
counts.append(fsyncs.value)
print(*(after - before for before, after in zip(counts, counts[1:])))
"""


def test_a_fob_costs_three_flushes_and_a_claim_none(tmp_path: Path) -> None:
    shim = library(SHIM, flags=("-fvisibility=default",))
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(shim)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["0", "1", "1", "1"]


def test_a_full_disk_is_told_with_the_way_out(store: Store) -> None:
    # As SQLite says it of a disk: no page more.
    store._connection.execute("PRAGMA max_page_count = 1")
    store.write(insert(0))
    with pytest.raises(LedgerError, match="disk is full; make room on its disk, then go on"):
        store.write(lambda session: session.plain("CREATE TABLE more (n INTEGER)"))
