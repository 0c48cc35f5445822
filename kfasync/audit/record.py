"""One record for every attempt. It has no field that could hold a secret."""

import datetime

import msgspec

from kfasync.model import Stage

RECORD_VERSION = 1


class TranscriptEntry(msgspec.Struct, frozen=True):
    """One exchange. Of a confidential command only header and length are known here."""

    stage: Stage
    command: str  # hex; the header alone where the command is confidential
    command_bytes: int
    sw: str
    # Hex of the data field, as far as a record has room; None where the command is confidential.
    answer: str | None
    answer_bytes: int
    took_us: int


class StageTime(msgspec.Struct, frozen=True):
    """When a stage began, on the wall and on the monotonic clock, and how long it took."""

    stage: Stage
    at: str
    offset_us: int
    took_us: int


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt on one fob. Names of bytes are hex; times are UTC by RFC 3339."""

    record_version: int = RECORD_VERSION
    attempt: str
    station: str
    slot: int
    reader: str
    software: str
    config_sha256: str
    crypto_path: str
    provider: str | None
    provider_sha256: str | None
    lease: str | None  # as the source calls it, where it has a pool of its own
    started: str
    finished: str
    stages: tuple[StageTime, ...]
    uid: str | None
    atr: str
    profile: str
    fesn: str | None
    spid: str | None
    kvn: int | None
    kcv: dict[str, str] | None
    layout: str | None
    i_param: str | None
    sequence_counter: int | None
    key_diversification_data: str | None
    security_level: str
    scp03_mode: str
    device_certificate_issuer_checked: bool
    outcome: str
    disposition: str
    stage: Stage
    cause: str
    sw: str | None
    message: str
    operator_action: str
    intended_state: str
    observed_state: str
    exchanges: int  # of which the transcript keeps the first ones and the last
    transcript: tuple[TranscriptEntry, ...]

    def json(self) -> str:
        """One line, keys in order: canonical, since no number in it is a fraction."""
        return msgspec.json.encode(self, order="sorted").decode()


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided of a fob whose end nobody knew."""

    record_version: int = RECORD_VERSION
    attempt: str  # the name of this record
    station: str
    software: str
    finished: str
    uid: str
    profile: str
    fesn: str
    spid: str
    disposition: str = "resolved"
    resolved_as: str  # "recoverable" or "fail"
    message: str  # the reason that the person gave

    def json(self) -> str:
        """One line, keys in order."""
        return msgspec.json.encode(self, order="sorted").decode()


class PoolDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided of a pool: that this ledger takes it over, or frees what was held."""

    record_version: int = RECORD_VERSION
    attempt: str  # the name of this record
    station: str
    software: str
    finished: str
    pool: str
    ledger: str
    ledger_before: str | None  # the one whose pool it was
    fesns: tuple[str, ...]  # set aside, or freed
    disposition: str  # "taken-over" or "freed"
    message: str  # the reason that the person gave

    def json(self) -> str:
        """One line, keys in order."""
        return msgspec.json.encode(self, order="sorted").decode()


class LaneDecision(msgspec.Struct, frozen=True, kw_only=True):
    """That a person resumed a lane, or acknowledged the result that it showed."""

    record_version: int = RECORD_VERSION
    attempt: str  # the name of this record
    station: str
    software: str
    finished: str
    slot: int
    reader: str
    disposition: str  # "resumed" or "acknowledged"
    by: str  # where that was said: "page", "command line"
    message: str  # the reason that the person gave

    def json(self) -> str:
        """One line, keys in order."""
        return msgspec.json.encode(self, order="sorted").decode()


class CheckLine(msgspec.Struct, frozen=True):
    """One line of the check list: its name, "good", "due" or "red", and why."""

    name: str
    state: str
    said: str


class ShiftCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What the check list of a station said, when it was looked at or has changed."""

    record_version: int = RECORD_VERSION
    attempt: str  # the name of this record
    station: str
    software: str
    finished: str
    config_sha256: str
    provider_sha256: str | None  # of the vendor's library that is loaded
    checks: tuple[CheckLine, ...]
    disposition: str  # "checked" when all is good, or "red"
    by: str  # what has brought it about: "start", "lane 2", "command line"
    message: str  # those that are red or due; "" when all is good

    def json(self) -> str:
        """One line, keys in order."""
        return msgspec.json.encode(self, order="sorted").decode()


class Interruption(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt whose process was killed; written by the next one.

    What it has said to the card went with it. ``finished`` is when this record was written.
    """

    record_version: int = RECORD_VERSION
    attempt: str
    station: str
    software: str
    slot: int
    reader: str
    started: str
    finished: str
    uid: str
    aid: str
    atr: str
    profile: str
    fesn: str | None
    spid: str | None
    outcome: str = "incomplete"
    disposition: str = "interrupted"
    message: str
    operator_action: str

    def json(self) -> str:
        """One line, keys in order."""
        return msgspec.json.encode(self, order="sorted").decode()


def now() -> str:
    """The wall clock, in UTC, by RFC 3339."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
