"""A lane on simulated readers: what a fob does to it, and what it does to the fob."""

import json
from collections.abc import Sequence
from pathlib import Path

import anyio
import msgspec
import pytest
from anyio import from_thread

from kfasync.contracts.cards import News
from kfasync.contracts.sources import End, Parcel, Source
from kfasync.errors import LaneError, ReaderError, SourceError, SourceUnavailableError
from kfasync.model import Lease, Unit
from kfasync.secret import Secret
from kfasync.sim.applet import Lifecycle
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.config import load
from kfasync.station.lane import ATTEMPTS_A_PLACING, Lane
from kfasync.station.states import RESULTS, WORKING, LaneState
from kfasync.station.words import ENGLISH, why
from tests.station.desks import (
    AGES_S,
    BLOCK_5,
    COMMANDS,
    EXTERNAL_AUTHENTICATE,
    FIRST,
    FIRST_BLOCK,
    GET_UID,
    INITIALIZE_UPDATE,
    LAST_BLOCK,
    POST_PERSONALIZATION,
    SECOND,
    ExpiringSource,
    Floor,
    floor,
    furnish,
    sql,
    timeout,
)

pytestmark = pytest.mark.anyio

TORN = pytest.mark.parametrize("kind", [FaultKind.TORN_BEFORE, FaultKind.TORN_AFTER])
QUICK = timeout(1.0)  # and yet enough for a command of a fob that answers, on a busy machine


def interrupted(at: int) -> str:
    """The disposition of a fob that is lost at that command."""
    if at < FIRST_BLOCK:
        return "retry"
    return "bound" if at < LAST_BLOCK else "in-doubt"


def in_factory(kind: FaultKind, at: int) -> bool:
    """Whether the command that moves the applet to FACTORY had been carried out by then."""
    return at > LAST_BLOCK or (at == LAST_BLOCK and kind is FaultKind.TORN_AFTER)


# -------------------------------------------------------------------------------- fobs that pass


async def test_the_two_fixture_fobs_pass(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        for fesn in (FIRST, SECOND):
            record = await place.serve("A", fob := place.fobs.make())
            assert (record.disposition, record.fesn) == ("pass", fesn)
            assert (fob.lifecycle, fob.personalizations) == (Lifecycle.FACTORY, 1)
        assert place.counts() == {"CONSUMED": 2}


async def test_an_operator_sees_every_command_and_then_the_result(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        await place.serve("A", place.fobs.make())
        await place.emptied("A")
    steps = [event.step for event in place.shown if event.state in WORKING]
    # Once more between the first command and the second: the lease is asked for.
    assert steps == [0, 1, *range(1, COMMANDS + 1)]
    totals = {event.steps for event in place.shown if event.step > 1}
    assert totals == {COMMANDS}
    assert [event.state for event in place.shown if event.step == 0][-3:] == [
        LaneState.READING,
        LaneState.PASS,
        LaneState.PASS,  # latched, when the fob has gone
    ]


# ---------------------------------------------------------------------------------- torn, hung


@TORN
@pytest.mark.parametrize("at", range(1, COMMANDS + 1))
async def test_a_torn_fob_is_finished_when_it_is_placed_again(
    tmp_path: Path, kind: FaultKind, at: int
) -> None:
    async with floor(furnish(tmp_path)) as place:
        fob = place.fobs.faulty(kind, at)
        torn = await place.serve("A", fob)
        assert (torn.disposition, torn.outcome) == (interrupted(at), "incomplete")
        assert torn.cause == "torn"
        assert place.counts() == (
            {"FREE": 2} if torn.disposition == "retry" else {"FREE": 1, "BURNED": 1}
        )
        record = await place.serve("A", fob)
        recovered = in_factory(kind, at)
        assert record.disposition == ("recovered" if recovered else "pass")
        assert record.outcome == "pass"
        assert torn.fesn in (None, record.fesn)
        assert (fob.personalizations, len(fob.transports)) == (1, 2)
        assert place.counts() == {"FREE": 1, "CONSUMED": 1}


@TORN
@pytest.mark.parametrize("at", [EXTERNAL_AUTHENTICATE, FIRST_BLOCK, LAST_BLOCK])
async def test_after_a_torn_fob_another_one_gets_what_is_not_bound(
    tmp_path: Path, kind: FaultKind, at: int
) -> None:
    async with floor(furnish(tmp_path)) as place:
        torn = place.fobs.faulty(kind, at)
        await place.serve("A", torn)
        other = await place.serve("A", place.fobs.make())
        assert (other.disposition, other.fesn) == ("pass", FIRST if at < FIRST_BLOCK else SECOND)
        record = await place.serve("A", torn)
        assert (record.outcome, record.fesn) == ("pass", SECOND if at < FIRST_BLOCK else FIRST)
        assert place.counts() == {"CONSUMED": 2}


async def test_a_fob_torn_on_every_placing_stays_with_its_content(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        # A plan's faults come in order: each is for the first placing that gets that far.
        stops = (LAST_BLOCK, BLOCK_5, FIRST_BLOCK, LAST_BLOCK, POST_PERSONALIZATION[1])
        fob = place.fobs.make(*(Fault(FaultKind.TORN_BEFORE, at) for at in stops))
        seen = [await place.serve("A", fob) for _ in range(6)]
        # From the in-doubt one on the ledger knows that STORE DATA may have ended.
        assert [record.disposition for record in seen][-1] == "recovered"
        assert {record.fesn for record in seen} == {FIRST}
        assert fob.personalizations == 1


@pytest.mark.parametrize(
    "at", [1, INITIALIZE_UPDATE, EXTERNAL_AUTHENTICATE, BLOCK_5, LAST_BLOCK, COMMANDS]
)
async def test_a_hung_fob_is_cut_off_while_another_lane_works_on(tmp_path: Path, at: int) -> None:
    async with floor(furnish(tmp_path, edits=QUICK), ["A", "B"]) as place:
        fob = place.fobs.faulty(FaultKind.HUNG, at)
        place.readers.place("A", fob)
        await place.until("A", *WORKING, step=at)
        other = await place.serve("B", place.fobs.make())
        assert other.disposition == "pass"
        hung = await place.result("A")
        assert (hung.disposition, hung.cause) == (interrupted(at), "hung")
        record = await place.serve("A", fob)
        assert record.disposition == ("recovered" if at > LAST_BLOCK else "pass")
        assert record.fesn != other.fesn
        assert place.counts() == {"CONSUMED": 2}


async def test_a_slow_fob_within_the_deadline_passes(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        fob = place.fobs.faulty(FaultKind.SLOW, BLOCK_5, delay_s=0.01)
        assert (await place.serve("A", fob)).disposition == "pass"


async def test_a_fob_that_flickers_is_looked_for_three_times_a_placing(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        faults = [Fault(FaultKind.TORN_BEFORE, 2) for _ in range(2 * ATTEMPTS_A_PLACING)]
        fob, looks = place.fobs.make(*faults), 0

        def look() -> None:
            nonlocal looks
            looks += 1
            if 1 < looks <= ATTEMPTS_A_PLACING:
                place.readers.place("A", fob)

        place.on_step[0] = look
        place.readers.place("A", fob)
        for _ in range(ATTEMPTS_A_PLACING):
            await place.done("A")
        place.readers.place("A", place.fobs.make())
        last = await place.done("A")
        assert last.record is not None
        assert last.record.disposition == "pass"
        assert [r.disposition for r in place.records()] == ["retry"] * ATTEMPTS_A_PLACING + ["pass"]


# ------------------------------------------------------------------------------ news of a reader


async def test_news_that_come_late_do_not_bring_a_finished_fob_back(tmp_path: Path) -> None:
    """A fob flickers; the lane has it again at once, and the news of it come much later."""
    async with floor(furnish(tmp_path)) as place:
        fob, looks = place.fobs.faulty(FaultKind.TORN_BEFORE, BLOCK_5), 0
        # Readers that nobody watches: the only news are those that this test tells.
        readers = SimulatedReaders(["A"])
        lane = Lane(0, readers.reader("A"), place.desk)

        def look() -> None:
            nonlocal looks
            looks += 1
            if looks == 2:
                readers.place("A", fob)

        def late_news() -> None:
            if looks == 2:
                for news in (News.EMPTY, News.INSERTED):
                    from_thread.run_sync(lane.hear, news)

        place.on_step = {0: look, BLOCK_5: late_news}
        readers.place("A", fob)
        lane.hear(News.INSERTED)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lane.run)
            seen = [(await place.done("A")).record for _ in range(2)]
            assert [record and record.disposition for record in seen] == ["bound", "pass"]
            assert looks == 2
            tasks.cancel_scope.cancel()


async def test_a_fob_that_is_swapped_between_two_looks_is_seen(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        readers = SimulatedReaders(["A"])
        lane = Lane(0, readers.reader("A"), place.desk)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lane.run)
            for _ in range(2):
                readers.remove("A")
                readers.place("A", place.fobs.make())
                # Both at once: the lane never sees the reader empty.
                lane.hear(News.EMPTY)
                lane.hear(News.INSERTED)
                event = await place.done("A")
                assert event.record is not None
                assert event.record.disposition == "pass"
            tasks.cancel_scope.cancel()


async def test_a_reader_that_is_pulled_is_shown_and_works_when_it_is_back(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        await place.serve("A", place.fobs.make())
        place.readers.unplug("A")
        assert "reader A is gone" in (await place.until("A", LaneState.READER_FAULT)).message
        place.readers.plug("A")
        assert (await place.serve("A", place.fobs.make())).disposition == "pass"


async def test_a_reader_pulled_in_the_middle_leaves_the_fob_bound(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        place.on_step[BLOCK_5] = lambda: place.readers.unplug("A")
        place.readers.place("A", fob := place.fobs.make())
        event = await place.done("A")
        assert event.record is not None
        assert event.record.disposition == "bound"
        place.on_step.clear()
        place.readers.plug("A")
        event = await place.done("A")
        assert event.record is not None
        assert event.record.disposition == "pass"
        assert fob.personalizations == 1


async def test_a_reader_that_somebody_else_holds_is_a_reader_fault(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        readers = SimulatedReaders(["A"])
        readers.place("A", place.fobs.make())
        lane = Lane(0, readers.reader("A"), place.desk)
        readers.reader("A").connect()
        lane.hear(News.INSERTED)
        assert isinstance(await lane.provision_next(), ReaderError)
        event = await place.until("A", LaneState.READER_FAULT)
        assert "in use" in event.message
        assert place.records() == []


# ------------------------------------------------------------------------------ fobs that fail


async def test_a_defective_fob_is_quarantined_and_the_lane_goes_on(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path, containers=4)) as place:
        for _ in range(3):
            fob = place.fobs.faulty(FaultKind.STATUS_WORD, BLOCK_5, sw=0x6581)
            record = await place.serve("A", fob)
            assert (record.disposition, record.sw) == ("fail", "6581")
            assert "defective" in record.operator_action
        assert (await place.serve("A", place.fobs.make())).disposition == "pass"
        assert place.counts() == {"QUARANTINED": 3, "CONSUMED": 1}


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Fault(FaultKind.STATUS_WORD, 4, sw=0x6982), "SECURITY_STATUS_NOT_SATISFIED"),
        (Fault(FaultKind.STATUS_WORD, 3, sw=0x6983), "AUTHENTICATION_METHOD_BLOCKED"),
        (Fault(FaultKind.STATUS_WORD, 4, sw=0x63C2), "RETRIES_LEFT"),
        (Fault(FaultKind.STATUS_WORD, 4, sw=0x63C0), "RETRIES_LEFT"),
        (Fault(FaultKind.STATUS_WORD, 4, sw=0x6300), "AUTHENTICATION_FAILED"),
        (Fault(FaultKind.STATUS_WORD, 2, sw=0x6A82), "APPLICATION_NOT_FOUND"),
        (Fault(FaultKind.WRONG_CRYPTOGRAM, 3), "CryptogramError"),
    ],
)
async def test_two_fobs_in_a_row_with_one_cause_stop_the_lane(
    tmp_path: Path, fault: Fault, cause: str
) -> None:
    async with floor(furnish(tmp_path), ["A", "B"]) as place:
        for _ in range(2):
            record = await place.serve("A", place.fobs.make(fault))
            assert (record.disposition, record.cause) == ("fail", cause)
        stopped = await place.until("A", LaneState.STOPPED)
        assert stopped.message == record.message
        # Nothing was written, so nothing is lost; and the lane beside it works on.
        assert place.counts() == {"FREE": 2}
        place.readers.place("A", untouched := place.fobs.make())
        assert (await place.serve("B", place.fobs.make())).disposition == "pass"
        assert untouched.log == ()


async def test_a_fob_with_other_keys_never_sees_a_host_cryptogram(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        other = msgspec.structs.replace(place.fobs.keys, mac=Secret(bytes(16)))
        fob = place.fobs.make(keys=other, tries=1)
        record = await place.serve("A", fob)
        assert (record.disposition, record.cause) == ("fail", "CryptogramError")
        assert len(fob.log) == INITIALIZE_UPDATE
        assert fob.tries_left == 1


async def test_the_same_cause_twice_stops_only_without_a_pass_between(tmp_path: Path) -> None:
    wrong = Fault(FaultKind.STATUS_WORD, 4, sw=0x6982)
    async with floor(furnish(tmp_path, containers=3)) as place:
        for faults in ((wrong,), (), (wrong,), ()):
            record = await place.serve("A", place.fobs.make(*faults))
            assert record.outcome == ("fail" if faults else "pass")
        assert LaneState.STOPPED not in {event.state for event in place.shown}


async def test_a_torn_fob_between_two_of_one_cause_does_not_save_the_lane(tmp_path: Path) -> None:
    wrong = Fault(FaultKind.STATUS_WORD, 4, sw=0x6982)
    async with floor(furnish(tmp_path)) as place:
        for fault in (wrong, Fault(FaultKind.TORN_BEFORE, 2), wrong):
            await place.serve("A", place.fobs.make(fault))
        await place.until("A", LaneState.STOPPED)


async def test_a_fob_in_factory_is_refused_once_and_uses_up_a_container(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path / "elsewhere")) as place:
        await place.serve("A", fob := place.fobs.make())
    async with floor(furnish(tmp_path / "here")) as place:
        record = await place.serve("A", fob)
        assert (record.disposition, record.sw) == ("fail", "6985")
        assert fob.personalizations == 1
        # BURNED was on disk before the card could say what it was.
        assert place.counts() == {"FREE": 1, "QUARANTINED": 1}


async def test_nothing_is_sent_to_a_fob_that_has_passed(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        passed = await place.serve("A", fob := place.fobs.make())
        before = len(fob.log)
        record = await place.serve("A", fob)
        assert (record.disposition, record.outcome) == ("already-provisioned", "fail")
        assert passed.attempt in record.message
        assert passed.finished in record.message
        assert [header for header, _ in fob.log[before:]] == [GET_UID]
        assert place.counts() == {"FREE": 1, "CONSUMED": 1}


async def test_nothing_is_sent_to_a_fob_that_failed_for_good(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        fob = place.fobs.faulty(FaultKind.STATUS_WORD, BLOCK_5, sw=0x6581)
        failed = await place.serve("A", fob)
        before = len(fob.log)
        record = await place.serve("A", fob)
        assert (record.disposition, record.cause) == ("fail", "UnitRejectedError")
        assert failed.attempt in record.message
        assert [header for header, _ in fob.log[before:]] == [GET_UID]
        assert place.counts() == {"FREE": 1, "QUARANTINED": 1}


# ------------------------------------------------------------------------------ stopped, resumed


WRONG_KEYS = Fault(FaultKind.STATUS_WORD, EXTERNAL_AUTHENTICATE, sw=0x6982)


async def test_a_stopped_lane_takes_fobs_again_when_a_person_resumes_it(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        for _ in range(2):
            await place.serve("A", place.fobs.make(WRONG_KEYS))
        await place.until("A", LaneState.STOPPED)
        await place.emptied("A")
        place.readers.place("A", fob := place.fobs.make())
        told = await place.until("A", LaneState.STOPPED)
        assert why(told, ENGLISH).startswith("this fob is not taken, the lane has stopped: ")
        assert fob.log == ()
        with pytest.raises(LaneError, match="there is no lane 2; lanes of this station: 1"):
            place.station.resume(2)
        place.station.resume(1)
        assert (await place.result("A")).outcome == "pass"
        with pytest.raises(LaneError, match="lane 1 is not stopped"):
            place.station.resume(1)
        # What it stopped for begins from nothing again.
        await place.serve("A", place.fobs.make(WRONG_KEYS))
        assert (await place.serve("A", place.fobs.make())).outcome == "pass"


async def test_a_lane_that_meets_a_fault_of_this_software_stops_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    async with floor(furnish(tmp_path), ["A", "B"]) as place:

        def break_down() -> None:
            raise ZeroDivisionError("of no concern to anybody")

        place.on_step[INITIALIZE_UPDATE] = break_down
        place.readers.place("A", fob := place.fobs.make())
        stopped = await place.until("A", LaneState.STOPPED)
        assert "a fault of this software (ZeroDivisionError in test_lane.py, line" in (
            stopped.message
        )
        assert "of no concern" not in stopped.message
        place.on_step.clear()
        assert (await place.serve("B", place.fobs.make())).outcome == "pass"
        place.readers.remove("A")
        place.station.resume(1)
        assert (await place.serve("A", fob)).outcome == "pass"


# ------------------------------------------------------------------------- a source that is away


class AwaySource(ExpiringSource):
    """A source that is remote, and away for the first requests."""

    def __init__(self, source: Source, times: int) -> None:
        super().__init__(source)
        self.facts = msgspec.structs.replace(source.facts, remote=True)
        self._left = times

    async def fetch(self, unit: Unit, *, ttl_s: int | None = None) -> Parcel:
        if self._left:
            self._left -= 1
            raise SourceUnavailableError("the key server does not answer")
        return await self._source.fetch(unit)

    def adopt(self, parcel: Parcel) -> Lease:
        return self._source.adopt(parcel)

    async def tell(self, ends: Sequence[End]) -> Sequence[SourceError | None]:
        return [None for _ in ends]


async def test_a_fob_waits_for_a_source_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kfasync.station.lane.SOURCE_RETRY_S", 0.0)
    loaded = furnish(tmp_path)
    async with floor(loaded, around=lambda source: AwaySource(source, 3)) as place:
        assert (await place.serve("A", place.fobs.make())).outcome == "pass"
    seen = [event for event in place.shown if event.state is LaneState.WAITING]
    assert [event.message for event in seen] == ["the key server does not answer"] * 3
    assert {event.step for event in seen} == {INITIALIZE_UPDATE}  # the session has begun by then


async def test_a_fob_that_waits_can_be_taken_off(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with floor(loaded, around=lambda source: AwaySource(source, 1)) as place:
        place.readers.place("A", fob := place.fobs.make())
        await place.until("A", LaneState.WAITING)
        place.readers.remove("A")
        event = await place.done("A")
        assert event.record is not None
        assert (event.state, event.record.cause) == (LaneState.RETRY, "SourceUnavailableError")
        assert (await place.serve("A", fob)).outcome == "pass"


async def test_a_stop_does_not_wait_for_a_source_that_is_away(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with floor(loaded, around=lambda source: AwaySource(source, 99)) as place:
        place.readers.place("A", place.fobs.make())
        await place.until("A", LaneState.WAITING)
    (record,) = place.records()
    assert (record.disposition, record.cause) == ("retry", "stopped")


# ------------------------------------------------------------------------------- two of one UID


async def test_two_fobs_of_one_uid_never_hold_the_same_content(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path), ["A", "B"]) as place:
        first = place.fobs.faulty(FaultKind.SLOW, BLOCK_5, delay_s=AGES_S)
        twin = place.fobs.make(uid=first.uid, sequence_counter=5)
        place.readers.place("A", first)
        await place.until("A", *WORKING, step=BLOCK_5)
        refused = await place.serve("B", twin)
        assert (refused.disposition, refused.cause) == ("fail", "UnitError")
        assert "reader A" in refused.message
        assert [header for header, _ in twin.log] == [GET_UID]
        # The first one is in the middle of it; nobody but its operator ends that.
        place.readers.remove("A")
        assert (await place.result("A")).disposition == "bound"
        assert (await place.serve("A", first)).disposition == "pass"
        assert (await place.serve("B", twin)).disposition == "already-provisioned"
        assert dict(twin.stored) == {}
        assert place.counts() == {"FREE": 1, "CONSUMED": 1}


async def test_a_refused_twin_does_not_give_away_what_the_first_has_reserved(
    tmp_path: Path,
) -> None:
    async with floor(furnish(tmp_path), ["A", "B"]) as place:
        first = place.fobs.faulty(FaultKind.SLOW, INITIALIZE_UPDATE, delay_s=AGES_S)
        place.readers.place("A", first)
        await place.until("A", *WORKING, step=INITIALIZE_UPDATE)
        assert (await place.serve("B", place.fobs.make(uid=first.uid))).cause == "UnitError"
        assert place.counts() == {"FREE": 1, "RESERVED": 1}
        place.readers.remove("A")
        assert (await place.result("A")).disposition == "retry"
        assert place.counts() == {"FREE": 2}


async def test_a_bound_uid_takes_its_content_to_whoever_shows_it(tmp_path: Path) -> None:
    """A fob copied with all that it says is beyond the station; it gets one content and not two."""
    async with floor(furnish(tmp_path)) as place:
        first = place.fobs.faulty(FaultKind.TORN_AFTER, LAST_BLOCK)
        twin = place.fobs.make(uid=first.uid, sequence_counter=5)
        assert (await place.serve("A", first)).fesn == FIRST
        assert (await place.serve("A", twin)).fesn == FIRST
        assert (await place.serve("A", first)).disposition == "already-provisioned"
        assert place.counts() == {"FREE": 1, "CONSUMED": 1}


# ------------------------------------------------------------------------ a ledger that gives way


async def test_no_pass_is_shown_that_the_ledger_has_not_got(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path), ["A", "B"]) as place:
        place.on_step[COMMANDS] = lambda: hide(place, "record")
        place.readers.place("A", fob := place.fobs.make())
        stopped = await place.until("A", *RESULTS, LaneState.STOPPED)
        assert stopped.state is LaneState.STOPPED
        assert "no such table: record" in stopped.message
        assert place.records() == []
        assert fob.lifecycle is Lifecycle.FACTORY
        place.readers.remove("A")
    sql(place.directory, "ALTER TABLE hidden RENAME TO record")
    # The next run knows that only the fob can tell, and asks it.
    async with floor(load(tmp_path / "station.toml")) as place:
        assert [left.last_sent for left in place.desk.ledger.unfinished()] == [True]
        assert (await place.serve("A", fob)).disposition == "recovered"


async def test_a_ledger_that_cannot_burn_stops_the_lane_before_the_first_block(
    tmp_path: Path,
) -> None:
    async with floor(furnish(tmp_path)) as place:
        place.on_step[EXTERNAL_AUTHENTICATE] = lambda: hide(place, "content")
        place.readers.place("A", fob := place.fobs.make())
        await place.until("A", LaneState.STOPPED)
        assert len(fob.log) == EXTERNAL_AUTHENTICATE


async def test_a_log_that_cannot_be_written_stops_no_fob_and_is_completed_later(
    tmp_path: Path,
) -> None:
    async with floor(furnish(tmp_path)) as place:
        log = place.directory / "audit.jsonl"
        log.symlink_to("/dev/full")
        records = [await place.serve("A", place.fobs.make()) for _ in range(2)]
        assert [record.outcome for record in records] == ["pass", "pass"]
        await place.until_notice("audit log", f"audit log {log} cannot be written")
        (behind,) = place.notices
        assert behind.follower == "audit log"
        assert "audit.jsonl cannot be written" in behind.problem
        log.unlink()
    assert [notice.problem for notice in place.notices] == [behind.problem, ""]
    written = [json.loads(line)["attempt"] for line in log.read_text().splitlines()]
    assert written == [record.attempt for record in records]


def hide(place: Floor, table: str) -> None:
    place.sql(f"ALTER TABLE {table} RENAME TO hidden")
