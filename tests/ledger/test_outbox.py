"""The outbox: written with the outcome, told in order, gone when it was heard."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kfasync.contracts.sources import End, EndKind
from kfasync.errors import LedgerError
from kfasync.ledger.attempts import Begun, Ending
from kfasync.ledger.ledger import Ledger
from kfasync.model import ContentState, Disposition, Mark, Outcome, Touched
from tests.station.desks import content, digests, lease, uid, unit

POOL = "provider:it"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path)
    yield opened
    opened.close()


def end(number: int, lease_id: str) -> End:
    return End(uid(number), lease_id, EndKind.ABORT, Outcome.INCOMPLETE, Touched.PARTIAL, "ab" * 32)


def finish(ledger: Ledger, attempt: str, of: End, pool: str = POOL) -> None:
    ledger.finish(
        Ending(attempt=attempt, record="{}", disposition=Disposition.RETRY, source=pool, end=of)
    )


def due(ledger: Ledger, pool: str = POOL) -> list[str]:
    return [one.end.lease_id for one in ledger.outbox.due(pool)]


def test_an_end_comes_out_as_it_went_in(ledger: Ledger) -> None:
    finish(ledger, "a", given := end(1, "L1"))
    (untold,) = ledger.outbox.due(POOL)
    assert (untold.end, untold.tries) == (given, 0)
    assert ledger.outbox.due("provider:other") == []


def test_the_ends_of_one_unit_are_told_in_order_and_those_of_others_meanwhile(
    ledger: Ledger,
) -> None:
    for attempt, number, name in (("a", 1, "one"), ("b", 2, "two"), ("c", 1, "three")):
        finish(ledger, attempt, end(number, name))
    assert due(ledger) == ["one", "two"]
    first, second = (one.number for one in ledger.outbox.due(POOL))
    ledger.outbox.settle([second], {first: "away"}, {})
    assert due(ledger) == ["one"]
    assert [one.tries for one in ledger.outbox.due(POOL)] == [1]
    ledger.outbox.settle([first], {}, {})
    assert due(ledger) == ["three"]


def test_what_was_refused_for_good_is_kept_and_not_in_the_way(ledger: Ledger) -> None:
    finish(ledger, "a", end(1, "one"))
    finish(ledger, "b", end(1, "two"))
    (first,) = ledger.outbox.due(POOL)
    ledger.outbox.settle([], {}, {first.number: "no such lease"})
    assert due(ledger) == ["two"]
    (waiting,) = ledger.outbox.waiting()
    assert (waiting.pool, waiting.due, waiting.refused) == (POOL, 1, 1)
    assert waiting.problem == "no such lease"


def test_what_waits_is_counted_for_each_pool(ledger: Ledger) -> None:
    assert ledger.outbox.waiting() == []
    for number, pool in enumerate((POOL, POOL, "klms:https://it")):
        finish(ledger, str(number), end(number, f"L{number}"), pool)
    assert {one.pool: one.due for one in ledger.outbox.waiting()} == {POOL: 2, "klms:https://it": 1}


def test_ends_outlive_the_station(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    finish(ledger, "a", end(1, "one"))
    ledger.close()
    ledger = Ledger.open(tmp_path)
    assert due(ledger) == ["one"]
    ledger.close()


def test_a_new_lease_of_that_name_takes_its_old_end_with_it(ledger: Ledger) -> None:
    for attempt, number, name in (("a", 1, "one"), ("b", 2, "two")):
        finish(ledger, attempt, end(number, name))
    ledger.adopt(unit(1), "fence", content(1), digests(1), pool=POOL, lease_id="other")
    ledger.adopt(unit(2), "fence", content(2), digests(2), pool="provider:other", lease_id="two")
    assert due(ledger) == ["one", "two"]
    ledger.adopt(unit(1), "fence", content(1), digests(1), pool=POOL, lease_id="one")
    assert due(ledger) == ["two"]


def test_an_end_without_its_outcome_is_never_written(ledger: Ledger) -> None:
    held = lease("fence", unit(1), content(1))
    with pytest.raises(LedgerError, match="cannot become"):
        ledger.finish(
            Ending(
                attempt="a",
                record="{}",
                disposition=Disposition.PASS,
                unit=unit(1),
                lease=held,
                state=ContentState.CONSUMED,
                source=POOL,
                end=end(1, "one"),
            )
        )
    assert due(ledger) == []


@pytest.mark.parametrize(
    ("ended", "heard", "told"),
    [(False, False, [EndKind.COMMIT]), (True, False, [EndKind.COMMIT]), (True, True, [])],
)
def test_what_a_person_gives_up_is_told_unless_the_lease_has_ended_for_the_source(
    ledger: Ledger, ended: bool, heard: bool, told: list[EndKind]
) -> None:
    ledger.begin(Begun(attempt="a", unit=unit(1), slot=1, reader="R", started="2026-11-01"))
    ledger.adopt(unit(1), "fence", content(1), digests(1), pool=POOL, lease_id="one")
    ledger.mark(lease("fence", unit(1), content(1)), Mark.BURNED)
    if ended:
        finish(ledger, "a", end(1, "one"))
    if heard:
        ledger.outbox.settle([one.number for one in ledger.outbox.due(POOL)], {}, {})
    (unfinished,) = ledger.unfinished()
    ledger.resolve(unfinished, "r", "{}", recoverable=False)
    assert [one.end.kind for one in ledger.outbox.due(POOL)] == told
    assert ledger.counts()[ContentState.QUARANTINED] == 1


def test_a_long_backlog_is_taken_from_its_beginning(ledger: Ledger) -> None:
    for number in range(501):
        finish(ledger, str(number), end(number, f"L{number}"))
    assert due(ledger) == [f"L{number}" for number in range(500)]
