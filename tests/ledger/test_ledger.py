"""The ledger: who has which content, through crashes and through eight lanes at once."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from kfasync.errors import (
    AlreadyProvisionedError,
    LeaseExpiredError,
    LedgerError,
    SourceError,
    UnitError,
    UnitRejectedError,
)
from kfasync.ledger.attempts import Ending
from kfasync.ledger.ledger import FILE_NAME, Ledger
from kfasync.ledger.schema import SCHEMA_VERSION
from kfasync.model import Content, ContentState, Disposition, Lease, Mark, Touched, Unit
from tests.station.desks import content, digests, lease, sql, unit

FREE, RESERVED, BURNED = ContentState.FREE, ContentState.RESERVED, ContentState.BURNED
CONSUMED, QUARANTINED = ContentState.CONSUMED, ContentState.QUARANTINED
FINAL = '{"finished":"then","message":"why"}'
LANES = 8
ROOT = Path(__file__).parents[2]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path)
    yield opened
    opened.close()


def claim(ledger: Ledger, to: Unit) -> Lease:
    claimed = ledger.claim(to)
    assert claimed is not None
    return lease(claimed[0], to, claimed[1])


def ending(attempt: str, record: str = FINAL, **data: Any) -> Ending:
    return Ending(attempt=attempt, record=record, disposition=Disposition.ERROR, **data)


def finish(ledger: Ledger, of: Lease, state: ContentState | None, attempt: str = "a") -> None:
    ledger.finish(ending(attempt, unit=of.unit, lease=of, state=state))


def states(ledger: Ledger) -> dict[ContentState, int]:
    return {state: count for state, count in ledger.counts().items() if count}


# ---------------------------------------------------------------------------- against a model


class Row(msgspec.Struct):
    """What the model knows of one content."""

    state: ContentState = FREE
    unit: int | None = None
    lease_id: str = ""
    last_sent: bool = False


class LedgerMachine(RuleBasedStateMachine):
    """Any order of claims, marks, ends and restarts, with leases that may be old."""

    leases = Bundle("leases")
    units = st.integers(1, 4)
    numbers = st.integers(1, 4)

    @initialize()
    def begin(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.ledger = Ledger.open(Path(self.directory.name))
        self.rows: dict[str, Row] = {}
        self.attempts = 0
        self.issued: dict[str, int] = {}

    def teardown(self) -> None:
        self.ledger.close()
        self.directory.cleanup()

    def row_of(self, number: int) -> tuple[str, Row] | None:
        return next(((f, row) for f, row in self.rows.items() if row.unit == number), None)

    def held(self, of: Lease) -> Row | None:
        row = self.rows.get(of.content.fesn)
        return row if row is not None and row.lease_id == of.lease_id else None

    @rule(numbers=st.sets(numbers))
    def offer(self, numbers: set[int]) -> None:
        self.ledger.offer(content(number) for number in numbers)
        self.rows = {fesn: row for fesn, row in self.rows.items() if row.state is not FREE}
        for number in numbers:
            self.rows.setdefault(content(number).fesn, Row())

    @rule(target=leases, number=units)
    def claim(self, number: int) -> object:
        own = self.row_of(number)
        if own is not None and own[1].state in (CONSUMED, QUARANTINED):
            with pytest.raises(UnitError):
                self.ledger.claim(unit(number))
            return None
        free = sorted(fesn for fesn, row in self.rows.items() if row.state is FREE)
        claimed = self.ledger.claim(unit(number))
        if own is None and not free:
            assert claimed is None
            return None
        assert claimed is not None
        fesn = own[0] if own is not None else free[0]
        assert claimed[1].fesn == fesn
        row = self.rows[fesn]
        row.state = RESERVED if row.state is FREE else row.state
        row.unit, row.lease_id = number, claimed[0]
        return lease(claimed[0], unit(number), claimed[1])

    @rule(target=leases, number=units, given=numbers)
    def adopt(self, number: int, given: int) -> object:
        own, row = self.row_of(number), self.rows.get(content(given).fesn, Row())
        self.attempts += 1
        lease_id = f"adopted-{self.attempts}"
        if own is not None and own[1].state in (CONSUMED, QUARANTINED):
            with pytest.raises(UnitError):
                self.ledger.adopt(unit(number), lease_id, content(given), digests(given))
            return None
        other = own is not None and own[0] != content(given).fesn
        if row.unit not in (None, number) or (other and own is not None and own[1].state is BURNED):
            with pytest.raises(SourceError, match="issues twice"):
                self.ledger.adopt(unit(number), lease_id, content(given), digests(given))
            return None
        self.ledger.adopt(unit(number), lease_id, content(given), digests(given))
        if other and own is not None:
            self.rows[own[0]] = Row()
        row.state = RESERVED if row.state is FREE else row.state
        row.unit, row.lease_id = number, lease_id
        self.rows[content(given).fesn] = row
        return lease(lease_id, unit(number), content(given))

    @rule(of=leases, mark=st.sampled_from(Mark))
    def mark(self, of: Lease | None, mark: Mark) -> None:
        if of is None:
            return
        row = self.held(of)
        allowed = (RESERVED, BURNED) if mark is Mark.BURNED else (BURNED,)
        if row is None or row.state not in allowed:
            with pytest.raises(LeaseExpiredError):
                self.ledger.mark(of, mark)
            return
        self.ledger.mark(of, mark)
        row.state = BURNED
        self.issued.setdefault(of.content.fesn, int(of.unit.uid[-1]))
        if mark in (Mark.LAST_SENT, Mark.STILL_OPEN):  # the others are about sessions
            row.last_sent = mark is Mark.LAST_SENT

    @rule(of=consumes(leases), state=st.sampled_from([None, FREE, BURNED, CONSUMED, QUARANTINED]))
    def finish(self, of: Lease | None, state: ContentState | None) -> None:
        if of is None:
            return
        self.attempts += 1
        row = self.held(of)
        burned = row is not None and row.state is BURNED
        if state is CONSUMED:
            burned = burned and row is not None and row.last_sent
        if state in (CONSUMED, QUARANTINED) and not burned:
            with pytest.raises(LedgerError, match="cannot become"):
                finish(self.ledger, of, state, str(self.attempts))
            return
        finish(self.ledger, of, state, str(self.attempts))
        if row is None:
            return
        if state in (CONSUMED, QUARANTINED):
            row.state = state
        elif state is FREE and row.state is RESERVED:
            self.rows[of.content.fesn] = Row()

    @rule()
    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = Ledger.open(Path(self.directory.name))
        for fesn, row in self.rows.items():
            if row.state is RESERVED:
                self.rows[fesn] = Row()

    @invariant()
    def ledger_and_model_agree(self) -> None:
        rows = sql(Path(self.directory.name), "SELECT fesn, state, uid, last_sent FROM content")
        assert {fesn: (state, uid, bool(sent)) for fesn, state, uid, sent in rows} == {
            fesn: (row.state.value, row.unit and unit(row.unit).uid.hex(), row.last_sent)
            for fesn, row in self.rows.items()
        }

    @invariant()
    def what_was_burned_stays_with_its_unit(self) -> None:
        for fesn, number in self.issued.items():
            row = self.rows[fesn]
            assert row.unit == number
            assert row.state in (BURNED, CONSUMED, QUARANTINED)

    @invariant()
    def the_unfinished_are_the_burned(self) -> None:
        burned = {fesn: row.last_sent for fesn, row in self.rows.items() if row.state is BURNED}
        assert burned == {left.content.fesn: left.last_sent for left in self.ledger.unfinished()}


LedgerMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
test_the_ledger_is_its_model = LedgerMachine.TestCase


# ------------------------------------------------------------------------- what a unit hears


def test_a_unit_hears_how_far_it_got(ledger: Ledger) -> None:
    ledger.offer([content(1)])
    heard = [ledger.standing(unit(1)).touched]
    held = claim(ledger, unit(1))
    heard.append(ledger.standing(unit(1)).touched)
    for mark in (Mark.BURNED, Mark.LAST_SENT, Mark.STILL_OPEN, Mark.LAST_SENT):
        ledger.mark(held, mark)
        heard.append(ledger.standing(unit(1)).touched)
    none, partial, unknown = Touched.NONE, Touched.PARTIAL, Touched.UNKNOWN
    assert heard == [none, none, partial, unknown, partial, unknown]


@pytest.mark.parametrize(
    ("state", "error", "sentence"),
    [
        (CONSUMED, AlreadyProvisionedError, "was already provisioned on then as 1KM00001"),
        (QUARANTINED, UnitRejectedError, "failed for good on then as 1KM00001 .*: why"),
    ],
)
def test_a_unit_that_had_its_turn_is_told_when(
    ledger: Ledger, state: ContentState, error: type[UnitError], sentence: str
) -> None:
    ledger.offer([content(1), content(2)])
    held = claim(ledger, unit(1))
    ledger.mark(held, Mark.BURNED)
    ledger.mark(held, Mark.LAST_SENT)
    finish(ledger, held, state)
    for ask in (ledger.standing, ledger.claim):
        with pytest.raises(error, match=sentence):
            ask(unit(1))
    assert states(ledger) == {FREE: 1, state: 1}


def test_the_same_uid_with_another_aid_is_another_unit(ledger: Ledger) -> None:
    ledger.offer([content(1), content(2)])
    leases = [claim(ledger, unit(1)), claim(ledger, unit(1, b"other"))]
    assert len({held.content for held in leases}) == 2


def test_a_profile_of_another_name_makes_no_other_unit(ledger: Ledger) -> None:
    ledger.offer([content(1), content(2)])
    renamed = msgspec.structs.replace(unit(1), profile="other")
    leases = [claim(ledger, one) for one in (unit(1), renamed)]
    assert len({held.content for held in leases}) == 1


def test_the_database_itself_refuses_a_unit_its_second_content(
    tmp_path: Path, ledger: Ledger
) -> None:
    ledger.offer([content(1), content(2)])
    claim(ledger, unit(1))
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        sql(
            tmp_path,
            f"UPDATE content SET state = 'RESERVED', uid = '{unit(1).uid.hex()}', "
            f"aid = '{unit(1).aid.hex()}' WHERE state = 'FREE'",
        )


@pytest.mark.parametrize("change", ["state = 'LOST'", "state = 'FREE'", "uid = NULL"])
def test_the_database_itself_refuses_a_state_that_cannot_be(
    tmp_path: Path, ledger: Ledger, change: str
) -> None:
    ledger.offer([content(1)])
    claim(ledger, unit(1))
    with pytest.raises(sqlite3.IntegrityError, match=r"CHECK|never goes"):
        sql(tmp_path, f"UPDATE content SET {change}")


def test_a_unit_whose_content_could_not_be_read_gives_it_back(ledger: Ledger) -> None:
    ledger.offer([content(1)])
    ledger.claim(unit(1))
    ledger.finish(ending("a", unit=unit(1), state=FREE))
    assert states(ledger) == {FREE: 1}


def test_an_attempt_without_a_lease_leaves_the_reservation_of_its_twin(ledger: Ledger) -> None:
    ledger.offer([content(1)])
    held = claim(ledger, unit(1))
    ledger.finish(ending("a", unit=unit(1)))
    ledger.mark(held, Mark.BURNED)


def test_the_journal_tells_the_life_of_a_content(tmp_path: Path, ledger: Ledger) -> None:
    ledger.offer([content(1)])
    finish(ledger, claim(ledger, unit(1)), FREE, "one")
    held = claim(ledger, unit(2))
    for mark in (Mark.BURNED, Mark.LAST_SENT):
        ledger.mark(held, mark)
    finish(ledger, held, CONSUMED, "two")
    events = sql(tmp_path, "SELECT event FROM journal ORDER BY id")
    assert [event for (event,) in events] == [
        "reserved",
        "released",
        "reserved",
        "burned",
        "last-sent",
        "consumed",
    ]


# ---------------------------------------------------------------- what another pool issues


def test_content_of_another_pool_goes_the_same_way(tmp_path: Path, ledger: Ledger) -> None:
    for lease_id in ("one", "two"):
        ledger.adopt(unit(1), lease_id, content(1), digests(1))
    with pytest.raises(LeaseExpiredError):
        ledger.mark(lease("one", unit(1), content(1)), Mark.BURNED)
    held = lease("two", unit(1), content(1))
    for mark in (Mark.BURNED, Mark.LAST_SENT):
        ledger.mark(held, mark)
    ledger.adopt(unit(1), "three", content(1), digests(1))  # place the fob again: it is unfinished
    assert ledger.standing(unit(1)).touched is Touched.UNKNOWN
    finish(ledger, lease("three", unit(1), content(1)), CONSUMED)
    with pytest.raises(AlreadyProvisionedError):
        ledger.adopt(unit(1), "four", content(1), digests(1))
    events = sql(tmp_path, "SELECT event, lease_id FROM journal ORDER BY id")
    assert [lease_id for event, lease_id in events if event == "reserved"] == [
        "one",
        "two",
        "three",
    ]


def test_content_that_was_given_back_may_go_to_another_unit(ledger: Ledger) -> None:
    ledger.adopt(unit(1), "one", content(1), digests(1))
    finish(ledger, lease("one", unit(1), content(1)), FREE)
    ledger.adopt(unit(2), "two", Content(content(1).fesn, "F" * 40), digests(1))
    assert states(ledger) == {RESERVED: 1}


def test_a_pool_that_changes_its_mind_before_a_card_was_written_is_followed(
    tmp_path: Path, ledger: Ledger
) -> None:
    ledger.adopt(unit(1), "one", content(1), digests(1))
    ledger.adopt(unit(1), "two", content(2), digests(2))
    assert states(ledger) == {FREE: 1, RESERVED: 1}
    events = sql(tmp_path, "SELECT event, fesn FROM journal ORDER BY id")
    assert events[1:] == [("released", content(1).fesn), ("reserved", content(2).fesn)]


@pytest.mark.parametrize(
    ("number", "given", "sentence"),
    [
        (2, content(1), r"container 1KM00001 was leased to fob 04000000000002 and is fob"),
        (1, content(2), "fob 04000000000001 was leased container 1KM00002 and has been written"),
        (1, content(3), "fob 04000000000001 was leased container 1KM00003 and has been written"),
        (1, Content("1KM00001", "F" * 40), "FESN 1KM00001 was leased .* with another SPID"),
        (2, Content("1KM00001", "F" * 40), "FESN 1KM00001 was leased .* with another SPID"),
    ],
)
def test_a_pool_that_issues_twice_is_refused_and_nothing_is_changed(
    tmp_path: Path, ledger: Ledger, number: int, given: Content, sentence: str
) -> None:
    ledger.offer([content(3)])
    ledger.adopt(unit(1), "one", content(1), digests(1))
    ledger.mark(lease("one", unit(1), content(1)), Mark.BURNED)
    before = [sql(tmp_path, f"SELECT * FROM {table}") for table in ("content", "journal")]
    with pytest.raises(SourceError, match=f"{sentence}.*the source issues twice"):
        ledger.adopt(unit(number), "two", given, digests(int(given.fesn[3:], 16)))
    assert before == [sql(tmp_path, f"SELECT * FROM {table}") for table in ("content", "journal")]


def test_eight_lanes_that_are_given_one_content_are_refused_but_one(ledger: Ledger) -> None:
    def adopt(number: int) -> bool:
        try:
            ledger.adopt(unit(number), f"lease-{number}", content(1), digests(1))
        except SourceError:
            return False
        return True

    with ThreadPoolExecutor(LANES) as lanes:
        assert sum(lanes.map(adopt, range(LANES))) == 1


# --------------------------------------------------------------------------------- the pool


def test_what_is_offered_under_another_spid_is_refused(ledger: Ledger) -> None:
    ledger.offer([content(1)])
    claim(ledger, unit(1))
    with pytest.raises(LedgerError, match="FESN 1KM00001 has been issued with another SPID"):
        ledger.offer([Content(content(1).fesn, "F" * 40), content(2)])
    assert states(ledger) == {RESERVED: 1}


def test_a_free_content_may_come_back_under_another_spid(ledger: Ledger) -> None:
    ledger.offer([content(1)])
    ledger.offer([other := Content(content(1).fesn, "F" * 40)])
    assert claim(ledger, unit(1)).content == other


def test_eight_lanes_issue_every_content_once(ledger: Ledger) -> None:
    many = 64
    ledger.offer(content(number) for number in range(many))
    with ThreadPoolExecutor(LANES) as lanes:
        claimed = list(lanes.map(ledger.claim, (unit(number) for number in range(many + LANES))))
    fesns = [got[1].fesn for got in claimed if got is not None]
    assert len(fesns) == len(set(fesns)) == many
    assert states(ledger) == {RESERVED: many}


def test_eight_lanes_with_one_unit_are_given_one_content(ledger: Ledger) -> None:
    ledger.offer(content(number) for number in range(LANES))
    with ThreadPoolExecutor(LANES) as lanes:
        claimed = list(lanes.map(ledger.claim, [unit(1)] * LANES))
    assert len({got[1].fesn for got in claimed if got is not None}) == 1
    leases = [lease(got[0], unit(1), got[1]) for got in claimed if got is not None]
    burned = 0
    for held in leases:
        try:
            ledger.mark(held, Mark.BURNED)
        except LeaseExpiredError:
            continue
        burned += 1
    assert (len(leases), burned) == (LANES, 1)


# ----------------------------------------------------------------------------------- crashes

DIES = """
import os, signal, sys
from pathlib import Path
from kfasync.model import Mark
from kfasync.ledger.ledger import Ledger
from tests.station.desks import content, lease, unit
ledger = Ledger.open(Path(sys.argv[1]))
ledger.offer([content(1), content(2)])
for number in (1, 2):
    claimed = ledger.claim(unit(number))
    held = lease(claimed[0], unit(number), claimed[1])
    if number == 1:
        ledger.mark(held, Mark.BURNED)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_burned_outlives_the_process_and_what_was_reserved_is_free(
    tmp_path: Path,
) -> None:
    ended = subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL
    ledger = Ledger.open(tmp_path)
    (left,) = ledger.unfinished()
    assert (left.uid, left.content) == (unit(1).uid.hex().upper(), content(1))
    assert states(ledger) == {FREE: 1, BURNED: 1}
    assert claim(ledger, unit(1)).content == content(1)
    ledger.close()


def test_a_second_station_waits_for_nothing_and_is_refused(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    with pytest.raises(LedgerError, match="another station is running"):
        Ledger.open(tmp_path)
    ledger.close()
    Ledger.open(tmp_path).close()


# -------------------------------------------------------------------------------- disk trouble


def occupied(directory: Path) -> None:
    directory.write_text("a file")


def full(directory: Path) -> None:
    directory.mkdir()
    (directory / FILE_NAME).symlink_to("/dev/full")


def garbage(directory: Path) -> None:
    directory.mkdir()
    (directory / FILE_NAME).write_bytes(os.urandom(8192))


def a_directory(directory: Path) -> None:
    (directory / FILE_NAME).mkdir(parents=True)


def another_version(directory: Path) -> None:
    Ledger.open(directory).close()
    sql(directory, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        (occupied, "cannot be made"),
        (full, "cannot be used"),
        (garbage, "not a database"),
        (a_directory, "cannot be used"),
        (another_version, rf"a later version of kfasync \(schema {SCHEMA_VERSION + 1}\)"),
    ],
)
def test_a_ledger_that_cannot_be_trusted_is_refused(
    tmp_path: Path, trouble: Callable[[Path], None], sentence: str
) -> None:
    trouble(tmp_path / "var")
    for _ in range(2):  # the second time as well: a refusal keeps no lock
        with pytest.raises(LedgerError, match=sentence):
            Ledger.open(tmp_path / "var")


@pytest.mark.parametrize("table", ["content", "journal", "record"])
def test_a_table_that_is_gone_is_a_ledger_error(tmp_path: Path, ledger: Ledger, table: str) -> None:
    ledger.offer([content(1)])
    held = claim(ledger, unit(1))
    sql(tmp_path, f"DROP TABLE {table}")
    with pytest.raises(LedgerError, match=rf"no such table: (main\.)?{table}"):
        finish(ledger, held, FREE)


def test_an_unknown_record_has_no_number(ledger: Ledger) -> None:
    assert ledger.record_number("x") is None


def test_records_come_in_the_order_in_which_they_were_written(ledger: Ledger) -> None:
    for name in ("one", "two", "three"):
        ledger.finish(ending(name, f'"{name}"'))

    def after(last: str) -> list[str]:
        number = ledger.record_number(last) or 0
        return [record.text for record in ledger.records_after(number)]

    assert after("none of these") == ['"one"', '"two"', '"three"']
    assert after("one") == ['"two"', '"three"']
    assert after("three") == []
