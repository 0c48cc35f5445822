"""What a journal keeps of an attempt."""

import itertools

import msgspec

from kfasync.audit.log import TAIL
from kfasync.core.effects import Exchange
from kfasync.model import Stage
from kfasync.station.journal import ANSWERS_MAX, ENTRIES_MAX, Journal


def test_a_confidential_exchange_leaves_header_and_length() -> None:
    journal = Journal()
    for confidential in (True, False):
        exchange = Exchange(
            bytes.fromhex("84E200000AAABBCCDDEEFF00112233"),
            Stage.PAYLOAD_DELIVERY,
            1,
            1,
            confidential=confidential,
            interruptible=False,
        )
        journal.exchanged(exchange, bytes.fromhex("ABCD9000"), 7)
    hidden, plain = journal.transcript
    assert (hidden.command, hidden.answer) == ("84E20000", None)
    assert (plain.command, plain.answer) == ("84E200000AAABBCCDDEEFF00112233", "ABCD")
    for entry in (hidden, plain):
        assert (entry.command_bytes, entry.answer_bytes, entry.sw) == (15, 2, "9000")
        assert entry.took_us == 7


def test_a_command_without_an_answer_is_in_the_transcript() -> None:
    journal = Journal()
    exchange = Exchange(b"\0\1\2\3", Stage.READ_UID, 1, 0, confidential=False, interruptible=True)
    journal.exchanged(exchange, b"", 7)
    (entry,) = journal.transcript
    assert (entry.command, entry.sw, entry.answer, entry.answer_bytes) == ("00010203", "", "", 0)


def test_stages_follow_each_other_without_a_gap() -> None:
    journal = Journal()
    for stage in (Stage.READ_UID, Stage.READ_UID, Stage.FETCH_KEYS, Stage.INITIALIZE_UPDATE):
        journal.enter(stage)
    stages = journal.stages()
    assert [time.stage for time in stages] == [
        Stage.READ_UID,
        Stage.FETCH_KEYS,
        Stage.INITIALIZE_UPDATE,
    ]
    for before, after in itertools.pairwise(stages):
        assert before.offset_us + before.took_us == after.offset_us
        assert before.at <= after.at


def test_a_card_that_answers_without_end_fills_no_disk() -> None:
    journal = Journal()
    for number in range(10_000):
        command = number.to_bytes(4)
        exchange = Exchange(command, Stage.READ_UID, 1, 0, confidential=False, interruptible=True)
        journal.exchanged(exchange, bytes(30_000) + b"\x61\x00", 7)
    assert journal.exchanges == 10_000
    assert len(journal.transcript) == ENTRIES_MAX
    first, second, last = journal.transcript[0], journal.transcript[1], journal.transcript[-1]
    assert (first.answer_bytes, len(first.answer or "")) == (30_000, 2 * 30_000)
    assert len(second.answer or "") == 2 * (ANSWERS_MAX - 30_000)
    assert (last.command, last.answer) == (f"{9_999:08X}", "")
    assert len(msgspec.json.encode(journal.transcript)) < TAIL // 4
