"""An auditor: reads fobs, key server, ledger and audit log of a day, and compares them.

It shares no code with what it audits. The four books are opened here with the standard library and
nothing else, and what they have to say of each other is written down here once more.
"""

import dataclasses
import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PASSED = ("pass", "recovered")
BURNED = ("burned", "last-sent", "consumed")
TRANSPORTS = 2  # that a provisioned fob is told to use
MEMORY_GROWTH_KB = 24 * 1024  # of a station from the middle of a run to its end
STEADY_RESULTS = 100  # of a run, before its size is looked at
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Books:
    """Where everything is."""

    evidence: Path
    pool: Path
    ledger: Path
    audit: Path


@dataclasses.dataclass
class Report:
    """What was found.

    Attributes:
        found: sentences, by the rule that is broken; rules that hold have none.
        never_came_back: content that is bound to such a fob, which is no fault.
        counts: what was looked at.
    """

    found: dict[str, list[str]]
    never_came_back: list[str]
    counts: dict[str, int]

    @property
    def violations(self) -> int:
        return sum(map(len, self.found.values()))

    def table(self) -> str:
        """A line for each number."""
        lines = [f"{what:<34} {count:>8,}" for what, count in self.counts.items()]
        lines += [f"{rule:<34} {len(found):>8,}" for rule, found in self.found.items()]
        lines.append(f"{'bound to a fob that is away':<34} {len(self.never_came_back):>8,}")
        for rule, found in self.found.items():
            lines += [f"  {rule}: {sentence}" for sentence in found[:20]]
        return "\n".join(lines)


def audit(books: Books) -> Report:
    """Look at everything."""
    day = Day(books)
    rules = {
        "passed wrongly": day.passed_wrongly,
        "content on two fobs": day.content_on_two_fobs,
        "fobs with two contents": day.fobs_with_two_contents,
        "attempts without a record": day.attempts_without_a_record,
        "leases open": day.leases_open,
        "outbox": day.outbox,
        "records changed": day.records_changed,
        "content astray": day.content_astray,
        "memory, threads, files": day.sizes_that_grow,
    }
    found = {name: list(rule()) for name, rule in rules.items()}
    return Report(found, day.never_came_back(), day.counts())


class Day:
    """The books of a day, read."""

    def __init__(self, books: Books) -> None:
        said = json.loads(books.evidence.read_text("utf-8"))
        self.fobs: list[Row] = said["fobs"]
        self.results: list[Row] = said["results"]
        self.sizes: list[Row] = said["sizes"]
        self.lines = books.audit.read_text("utf-8").splitlines()
        self.stored = _rows(
            books.ledger, "SELECT attempt, uid, disposition, json FROM record ORDER BY id"
        )
        self.records: list[Row] = [json.loads(row["json"]) for row in self.stored]
        self.content = _rows(
            books.ledger, "SELECT fesn, upper(spid) AS spid, state, upper(uid) AS uid FROM content"
        )
        self.journal = _rows(books.ledger, "SELECT fesn, upper(uid) AS uid, event FROM journal")
        self.open_attempts = _rows(books.ledger, "SELECT id, uid FROM attempt")
        self.untold = _rows(books.ledger, 'SELECT uid, "end", refused FROM outbox')
        self.pool = _rows(
            books.pool,
            "SELECT number, fesn, upper(spid) AS spid, upper(uid) AS uid, state,"
            " lower(hex(device_certificate)) AS certificate FROM content",
        )
        self.leases = _rows(
            books.pool,
            "SELECT id, content, upper(uid) AS uid, ended, word, record_hash FROM lease",
        )
        self.of_uid = _grouped(self.fobs, "uid")
        self.written = [fob for fob in self.fobs if fob["state"] == "factory"]
        self.away = {fob["uid"] for fob in self.fobs if fob["away"]}

    def counts(self) -> dict[str, int]:
        """How much there was."""
        ended = Counter(record["disposition"] for record in self.records)
        return {
            "fobs": len(self.fobs),
            "attempts": sum(fob["conversations"] for fob in self.fobs),
            "records": len(self.records),
            **{f"  {name}": count for name, count in sorted(ended.items())},
            "leases": len(self.leases),
            "content consumed": sum(row["state"] == "consumed" for row in self.pool),
            "content quarantined": sum(row["state"] == "quarantined" for row in self.pool),
        }

    # ------------------------------------------------------------------ the rules

    def passed_wrongly(self) -> Iterator[str]:
        """Whoever passed is finished, with the content that its record names, and passed once."""
        passes = [record for record in self.records if record["disposition"] in PASSED]
        for uid, count in Counter(record["uid"] for record in passes).items():
            if count > 1:
                yield f"{uid} has passed {count} times"
        consumed = {(row["uid"], row["spid"]) for row in self.content if row["state"] == "CONSUMED"}
        for record in passes:
            uid, spid = record["uid"], (record["spid"] or "").upper()
            holding = [
                fob
                for fob in self.of_uid[uid]
                if fob["state"] == "factory" and fob["transports"] == TRANSPORTS
            ]
            if not any(fob["spid"] == spid for fob in holding):
                yield f"{uid} has passed, and is not finished with content {record['fesn']}"
            if (uid, spid) not in consumed:
                yield f"{uid} has passed, and the ledger does not have {record['fesn']} as consumed"
        recorded = {record["attempt"] for record in passes}
        for shown in self.results:
            if shown["disposition"] in PASSED and shown["attempt"] not in recorded:
                yield f"{shown['uid']} was shown as passed, and its record does not say so"

    def content_on_two_fobs(self) -> Iterator[str]:
        """No two fobs share a key, an SPID, an IRK or a certificate, and no content had two."""
        for item in ("spid", "certificate", "private_key_sha256", "irk_sha256"):
            for value, fobs in _grouped(self.written, item).items():
                if len(fobs) > 1:
                    yield f"{item} {value[:16]} on fobs {[fob['number'] for fob in fobs]}"
        burned = (row for row in self.journal if row["event"] in BURNED)
        for fesn, rows in _grouped(burned, "fesn").items():
            if len(uids := {row["uid"] for row in rows}) > 1:
                yield f"{fesn} was burned for {sorted(uids)}"
        used = (lease for lease in self.leases if lease["word"] not in (None, "none"))
        for number, leases in _grouped(used, "content").items():
            if len(uids := {lease["uid"] for lease in leases}) > 1:
                yield f"content {number} of the key server was used for {sorted(uids)}"

    def fobs_with_two_contents(self) -> Iterator[str]:
        """A fob is written once, and a unit has one content in either book."""
        for fob in self.fobs:
            if fob["personalizations"] > 1:
                yield f"fob {fob['number']} was written {fob['personalizations']} times"
        for book, rows in (("ledger", self.content), ("key server", self.pool)):
            for uid, of_unit in _grouped((row for row in rows if row["uid"]), "uid").items():
                if len(of_unit) > 1:
                    yield f"{uid} has {[row['fesn'] for row in of_unit]} at the {book}"

    def attempts_without_a_record(self) -> Iterator[str]:
        """Every conversation that went beyond the UID, and every result that was shown."""
        records = Counter(record.get("uid") for record in self.records)
        for uid, fobs in self.of_uid.items():
            if (count := sum(fob["conversations"] for fob in fobs)) > records[uid]:
                yield f"{uid} was talked to {count} times and has {records[uid]} records"
        recorded = {record["attempt"] for record in self.records}
        for shown in self.results:
            if shown["attempt"] not in recorded:
                yield f"attempt {shown['attempt']} was shown, and has no record"
        for row in self.open_attempts:
            yield f"attempt {row['id']} on {row['uid']} has not ended"

    def leases_open(self) -> Iterator[str]:
        """Every lease has ended, and content that is bound waits for a fob that is away."""
        for lease in self.leases:
            if lease["ended"] is None:
                yield f"lease {lease['id']} of {lease['uid']} is neither committed nor aborted"
        for row in self.pool:
            if row["state"] == "leased" and row["uid"] not in self.away:
                yield f"{row['fesn']} is bound to {row['uid']}, which is not away"

    def never_came_back(self) -> list[str]:
        """Content that is bound to a fob that left and was not placed again."""
        return [
            f"{row['fesn']} for {row['uid']}"
            for row in self.pool
            if row["state"] == "leased" and row["uid"] in self.away
        ]

    def outbox(self) -> Iterator[str]:
        """Nothing is left to be told."""
        for row in self.untold:
            yield f"{row['end']} of {row['uid']}{' was refused' if row['refused'] else ''}"

    def records_changed(self) -> Iterator[str]:
        """Ledger, audit log and key server have the same records."""
        for place, row in enumerate(self.stored):
            line = self.lines[place] if place < len(self.lines) else None
            if line != row["json"]:
                yield f"record {place + 1}, {row['attempt']}, is another one in the audit log"
            said = self.records[place]
            told = (row["attempt"], row["uid"], row["disposition"])
            if told != (said["attempt"], _lower(said.get("uid")), said["disposition"]):
                yield f"record {place + 1}, {row['attempt']}, says something else than its row"
        for line in self.lines[len(self.stored) :]:
            yield f"the ledger does not have {line[:60]}"
        hashes = {hashlib.sha256(row["json"].encode()).hexdigest() for row in self.stored}
        for lease in self.leases:
            if lease["record_hash"] and lease["record_hash"].lower() not in hashes:
                yield f"lease {lease['id']} ended with a record that the ledger does not have"

    def content_astray(self) -> Iterator[str]:
        """What is on a fob is what the key server gave it, and the ends say what became of it."""
        pool = {row["spid"]: row for row in self.pool}
        ledger = {row["spid"]: row for row in self.content}
        for fob in self.written:
            for book, rows in (("key server", pool), ("ledger", ledger)):
                row = rows.get(fob["spid"])
                if row is None or row["uid"] != fob["uid"]:
                    yield f"fob {fob['number']} has content that is not its own at the {book}"
            if (row := pool.get(fob["spid"])) and row["certificate"] != fob["certificate"]:
                yield f"fob {fob['number']} has another certificate than the key server gave it"
            if row and row["state"] != "consumed" and fob["uid"] not in self.away:
                yield f"fob {fob['number']} is finished, and its content is {row['state']}"
        held = {fob["spid"] for fob in self.written}
        for row in self.pool:
            if row["state"] == "consumed" and row["spid"] not in held:
                yield f"{row['fesn']} is consumed at the key server, and on no fob"
        for row in self.content:
            if row["state"] == "CONSUMED" and row["spid"] not in held:
                yield f"{row['fesn']} is consumed in the ledger, and on no fob"

    def sizes_that_grow(self) -> Iterator[str]:
        """From the middle of a run on, a station needs nothing more."""
        for run, sizes in _grouped(self.sizes, "run").items():
            results = sizes[-1]["results"]
            steady = [size for size in sizes if size["results"] >= results / 2]
            if results < STEADY_RESULTS or len(steady) < 2:
                continue
            first, last = steady[0], steady[-1]
            if (grown := last["rss_kb"] - first["rss_kb"]) > MEMORY_GROWTH_KB:
                yield f"run {run} has grown by {grown} kB in {results // 2} results"
            for what in ("threads", "files"):
                if last[what] > max(size[what] for size in steady[: len(steady) // 2 + 1]) + 2:
                    yield f"run {run}: {what} from {first[what]} to {last[what]}"


def _rows(path: Path, statement: str) -> list[Row]:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(statement)]
    finally:
        connection.close()


def _grouped(rows: Iterable[Row], name: str) -> dict[Any, list[Row]]:
    groups: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[name]].append(row)
    return groups


def _lower(text: str | None) -> str | None:
    return text.lower() if text else None
