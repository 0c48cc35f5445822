"""The audit log: a record for every attempt, whole after a crash, and nothing secret in it."""

import base64
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kfasync.core.flow import Exchange
from kfasync.errors import LedgerError
from kfasync.model import Disposition, Stage
from kfasync.sim.faults import FaultKind
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.personalization import Dgi
from kfasync.station.audit import FILE_NAME, AttemptRecord, AuditLog, Journal
from kfasync.station.ledger import Ledger
from tests.station.desks import BLOCK_5, FIRST_BLOCK, LAST_BLOCK, floor, furnish


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path)
    yield opened
    opened.close()


def write(ledger: Ledger, *attempts: str) -> list[str]:
    """Records in the ledger, which the file has not got yet."""
    texts = [f'{{"attempt":"{attempt}"}}' for attempt in attempts]
    for attempt, text in zip(attempts, texts, strict=True):
        ledger.finish(
            attempt, text, disposition=Disposition.ERROR, unit=None, lease=None, state=None
        )
    return texts


def lines(directory: Path) -> list[str]:
    return (directory / FILE_NAME).read_text("utf-8").splitlines()


# -------------------------------------------------------------------------------- the file


def test_the_file_follows_the_ledger(tmp_path: Path, ledger: Ledger) -> None:
    log = AuditLog.open(tmp_path, ledger)
    assert not (tmp_path / FILE_NAME).exists()
    texts = write(ledger, "one")
    log.follow()
    assert lines(tmp_path) == texts
    texts += write(ledger, "two", "three")
    log.follow()
    log.follow()
    assert lines(tmp_path) == texts


@pytest.mark.parametrize(
    "left",
    [
        b'{"attempt":"one"}\n{"attempt":"two"}\n{"attempt":"three"}\n',
        b'{"attempt":"one"}\n{"attempt":"two"}\n{"atte',
        b'{"attempt":"one"}\n{"attempt":"two"}\n{"attempt":"three"}',
        b'{"attempt":"one"}\n',
        b'{"atte',
        b"",
        None,
    ],
    ids=["whole", "torn", "no-newline", "behind", "all-torn", "empty", "gone"],
)
def test_what_a_crash_left_is_completed(tmp_path: Path, ledger: Ledger, left: bytes | None) -> None:
    texts = write(ledger, "one", "two", "three")
    if left is not None:
        (tmp_path / FILE_NAME).write_bytes(left)
    log = AuditLog.open(tmp_path, ledger)
    assert lines(tmp_path) == texts
    texts += write(ledger, "four")
    log.follow()
    assert lines(tmp_path) == texts


@pytest.mark.parametrize(
    ("left", "sentence"),
    [
        ('{"attempt":"of another ledger"}\n', "record of another ledger is not in this ledger"),
        ("not a record\n", "its last line is not a record; move the file away"),
        ('{"other":1}\n', "its last line is not a record"),
    ],
)
def test_the_file_of_somebody_else_is_refused_and_kept(
    tmp_path: Path, ledger: Ledger, left: str, sentence: str
) -> None:
    write(ledger, "one")
    (tmp_path / FILE_NAME).write_text(left)
    with pytest.raises(LedgerError, match=sentence):
        AuditLog.open(tmp_path, ledger)
    assert (tmp_path / FILE_NAME).read_text() == left


@pytest.mark.parametrize("target", ["/dev/full", "/"])
def test_a_file_that_cannot_be_written_is_a_ledger_error(
    tmp_path: Path, ledger: Ledger, target: str
) -> None:
    log = AuditLog.open(tmp_path, ledger)
    texts = write(ledger, "one")
    (tmp_path / FILE_NAME).symlink_to(target)
    with pytest.raises(LedgerError, match=r"audit\.jsonl cannot be written"):
        log.follow()
    (tmp_path / FILE_NAME).unlink()
    log.follow()
    assert lines(tmp_path) == texts


def test_what_the_file_could_not_take_goes_before_the_next_record(
    tmp_path: Path, ledger: Ledger
) -> None:
    def finish(attempt: str) -> None:
        values: dict[str, Any] = dict.fromkeys(AttemptRecord.__struct_fields__)
        record = AttemptRecord(**values | {"attempt": attempt})
        log.finish(record, disposition=Disposition.ERROR, unit=None, lease=None, state=None)

    log = AuditLog.open(tmp_path, ledger)
    finish("one")
    (tmp_path / FILE_NAME).rename(tmp_path / "aside")
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(LedgerError, match="cannot be written"):
        finish("two")
    (tmp_path / FILE_NAME).rmdir()
    (tmp_path / "aside").rename(tmp_path / FILE_NAME)
    finish("three")
    finish("four")
    assert [json.loads(line)["attempt"] for line in lines(tmp_path)] == [
        "one",
        "two",
        "three",
        "four",
    ]


FULL_DISK = """
import pathlib, resource, signal, sys
from kfasync.errors import LedgerError
from kfasync.station.audit import FILE_NAME, AuditLog

class Records:
    def records_after(self, attempt):
        records = ['{"attempt":"one"}', '{"attempt":"two","filler":"%s"}' % ("x" * 400)]
        return records if attempt is None else records[1:]

log = AuditLog(pathlib.Path(sys.argv[1]) / FILE_NAME, Records())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in (100, 1000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        log.follow()
    except LedgerError as error:
        print(error)
"""


def test_a_disk_that_fills_in_the_middle_of_a_line_leaves_no_half_of_it(tmp_path: Path) -> None:
    # In a process of its own, because the limit that stands for a full disk is a process's.
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("cannot be written") == 1
    written = [json.loads(line)["attempt"] for line in lines(tmp_path)]
    assert written == ["one", "two"]


# ------------------------------------------------------------------------------ the records


@pytest.mark.anyio
async def test_every_attempt_has_its_line_with_sorted_keys(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        fob = place.fobs.faulty(FaultKind.TORN_BEFORE, BLOCK_5)
        for _ in range(3):
            await place.serve("A", fob)
        shown = place.records()
    written = lines(tmp_path / "var")
    assert [json.loads(line)["disposition"] for line in written] == [
        "bound",
        "pass",
        "already-provisioned",
    ]
    for line, record in zip(written, shown, strict=True):
        assert line == json.dumps(json.loads(line), separators=(",", ":"), sort_keys=True)
        assert msgspec.json.decode(line, type=AttemptRecord) == record


def spellings(secret: bytes) -> set[str]:
    """Hex and every base64 that a longer text could hold it in."""
    found = {secret.hex()}
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + secret + bytes(3)).decode()
        # Without the characters that depend on what stands before and after.
        found.add(text[4 * (shift > 0) : 4 * ((shift + len(secret)) // 3)].lower())
    return found


def secrets_of(fob: SimulatedFob, keys: list[bytes]) -> dict[str, bytes]:
    stored = {dgi.name: bytes(value.expose()) for dgi, value in fob.stored.items()}
    del stored[Dgi.SPID.name]  # the record names it
    return stored | {f"key {number}": key for number, key in enumerate(keys)}


@pytest.mark.anyio
async def test_no_record_holds_what_the_fob_was_given(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        keys = [bytes(k.expose()) for k in (place.fobs.keys.enc, place.fobs.keys.mac)]
        keys.append(bytes(place.fobs.keys.dek.expose()))
        # Torn in each kind of stage, so that there are transcripts of every length.
        for at in (FIRST_BLOCK, LAST_BLOCK):
            fob = place.fobs.faulty(FaultKind.TORN_AFTER, at)
            for _ in range(3):
                await place.serve("A", fob)
            text = "".join(lines(tmp_path / "var")).lower()
            given = secrets_of(fob, keys)
            assert len(given) == 8
            for name, secret in given.items():
                # 16 bytes of a certificate are as telling as all of it.
                for part in (secret[:16], secret[-16:]):
                    assert not {one for one in spellings(part) if one in text}, name
    assert '"security_level":"01"' in text
    # The search can find something: what may be known is there.
    assert {one for one in spellings(fob.uid) if one in text} == {fob.uid.hex()}


@pytest.mark.parametrize("before", [b"", b"x", b"xy"])
def test_the_search_for_secrets_finds_them_inside_of_longer_text(before: bytes) -> None:
    secret = bytes(range(100, 116))
    around = before + secret + b"more"
    for text in (around.hex(), base64.b64encode(around).decode().lower()):
        assert [one for one in spellings(secret) if one in text]


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
