"""One attempt, driven as a lane drives it but without one."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

import anyio.to_thread
import msgspec
import pytest
from anyio import to_thread

from kfasync.contracts.sources import EndKind, Parcel, Source
from kfasync.core.effects import Exchange
from kfasync.core.flow import Provisioning
from kfasync.crypto.heap import HeapVault
from kfasync.errors import LedgerError, SourceError
from kfasync.model import KeyCheckValues, Lease, Touched, Unit
from kfasync.sim.applet import Lifecycle
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.personalization import Dgi
from kfasync.sim.reader import SimulatedReaders
from kfasync.sources.container import read_container
from kfasync.station.attempt import Attempt, Conclusion
from kfasync.station.config import LoadedConfig
from kfasync.station.desk import Desk
from tests.station.desks import (
    BLOCK_5,
    COMMANDS,
    EXTERNAL_AUTHENTICATE,
    FIRST,
    FIRST_BLOCK,
    GET_UID,
    INITIALIZE_UPDATE,
    LAST_BLOCK,
    SECOND,
    ExpiringSource,
    Fobs,
    furnish,
    open_desk,
    sql,
)

pytestmark = pytest.mark.anyio

SELECT = bytes.fromhex("00A40400")
STAGES = [
    "ReadUid",
    "FetchKeys",
    "InitializeUpdate",
    "ExternalAuthenticate",
    "PayloadDelivery",
    "LifecycleTransition",
    "PostPersonalization",
]


async def attempt(
    desk: Desk,
    fob: SimulatedFob,
    *,
    progress: Callable[[Exchange, Provisioning], None] = lambda exchange, state: None,
    watched: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Conclusion:
    readers = SimulatedReaders(["A"])
    readers.place("A", fob)
    card = readers.reader("A").connect()

    def tell(name: str, state: Provisioning, exchange: Exchange | None) -> None:
        if exchange is not None:
            progress(exchange, state)

    try:
        way = Attempt(
            desk,
            3,
            "A",
            card,
            watched=watched,
            progress=tell,
            keep_waiting=lambda name, state, error, tries: False,
        )
        return await to_thread.run_sync(way.run)
    finally:
        card.close()


def counts(desk: Desk) -> dict[str, int]:
    return {state.value: n for state, n in desk.ledger.counts().items() if n}


def container_of(loaded: LoadedConfig, fesn: str) -> Path:
    return next(loaded.resolve("containers").glob(f"{fesn}-*"))


# ------------------------------------------------------------------------------------ it passes


async def test_a_fob_holds_exactly_what_its_container_holds(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with open_desk(loaded) as desk:
        for fesn in (FIRST, SECOND):
            fob = Fobs(loaded).make(uid=fesn[-7:].encode())
            record = (await attempt(desk, fob)).record
            container = read_container(container_of(loaded, fesn), HeapVault())
            assert record.fesn == container.content.fesn == fesn
            assert fob.stored[Dgi.PRIVATE_KEY] == container.scalar
            assert fob.stored[Dgi.IRK] == container.irk
            assert bytes(fob.stored[Dgi.SPID].expose()) == container.content.spid.encode()
            certificate = bytes(fob.stored[Dgi.DEVICE_CERTIFICATE].expose())
            assert certificate == container.device_certificate


async def test_the_record_of_a_pass_says_what_happened(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with open_desk(loaded) as desk:
        fob = Fobs(loaded).make(sequence_counter=41)
        record = (await attempt(desk, fob)).record
    assert (record.outcome, record.disposition, record.cause) == ("pass", "pass", "pass")
    assert (record.station, record.slot, record.reader) == ("EOL-01", 3, "A")
    assert record.config_sha256 == loaded.sha256
    assert record.uid == fob.uid.hex().upper()
    assert record.atr == fob.atr.hex().upper()
    assert (record.fesn, record.spid) == (FIRST, "59918C0096F859EC8BF6DA454E2E554A14DD4BD1")
    assert (record.kvn, record.layout, record.i_param) == (255, "gp", "70")
    assert record.sequence_counter == 42
    assert (record.security_level, record.scp03_mode) == ("01", "S8")
    assert (record.intended_state, record.observed_state) == ("FACTORY", "FACTORY")
    assert (record.sw, record.device_certificate_issuer_checked) == (None, False)
    assert record.kcv is not None
    assert {len(value) for value in record.kcv.values()} == {6}
    assert [stage.stage.value for stage in record.stages] == STAGES
    assert record.started <= record.stages[0].at <= record.finished


async def test_the_transcript_has_every_command_and_no_confidential_data(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with open_desk(loaded) as desk:
        transcript = (await attempt(desk, Fobs(loaded).make())).record.transcript
    assert len(transcript) == COMMANDS
    assert {entry.sw for entry in transcript} == {"9000"}
    hidden = [entry for entry in transcript if entry.answer is None]
    assert hidden == list(transcript[3:LAST_BLOCK])
    assert {len(entry.command) for entry in hidden} == {8}
    assert sum(entry.command_bytes for entry in hidden[1:]) > 1709
    assert transcript[0].command == GET_UID.hex().upper() + "00"


async def test_every_exchange_is_watched_and_announced(tmp_path: Path) -> None:
    loaded, seen, open_watches = furnish(tmp_path), [], 0

    @contextmanager
    def watched() -> Iterator[None]:
        nonlocal open_watches
        open_watches += 1
        yield

    def progress(exchange: Exchange, state: Provisioning) -> None:
        seen.append((exchange.step, exchange.steps, open_watches))

    async with open_desk(loaded) as desk:
        await attempt(desk, Fobs(loaded).make(), progress=progress, watched=watched)
    assert seen == [(n + 1, COMMANDS if n else 0, n) for n in range(COMMANDS)]


@pytest.mark.parametrize("level", ["01", "03", "11", "13", "33"])
async def test_a_fob_passes_at_every_security_level(tmp_path: Path, level: str) -> None:
    edit = {'security_level = "01" ': f'security_level = "{level}" '}
    loaded = furnish(tmp_path, edits=edit)
    async with open_desk(loaded) as desk:
        record = (await attempt(desk, Fobs(loaded).make())).record
    assert (record.outcome, record.security_level) == ("pass", level)


@pytest.mark.parametrize(
    ("source", "uid"),
    [("key-diversification-data", "04000000000001000000"), ("cplc", "5100000000010001")],
)
async def test_a_fob_is_known_by_what_the_profile_says(
    tmp_path: Path, source: str, uid: str
) -> None:
    edit = {'# uid_source = "get-data" ': f'uid_source = "{source}" '}
    loaded = furnish(tmp_path, edits=edit)
    async with open_desk(loaded) as desk:
        record = (await attempt(desk, fob := Fobs(loaded).make())).record
        assert (record.outcome, record.uid) == ("pass", uid)
        assert GET_UID not in [header for header, _ in fob.log]
        again = (await attempt(desk, fob)).record
    assert again.disposition == "already-provisioned"


# -------------------------------------------------------------------------------- it does not


async def test_a_lease_that_ran_out_is_not_burned(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with open_desk(loaded, around=ExpiringSource) as desk:
        conclusion = await attempt(desk, fob := Fobs(loaded).make())
        assert conclusion.record.cause == "LeaseExpiredError"
        assert (conclusion.record.disposition, conclusion.record.outcome) == ("retry", "incomplete")
        assert counts(desk) == {"FREE": 2}
    assert len(fob.log) == INITIALIZE_UPDATE  # nothing that costs the card anything


async def test_a_broken_container_is_set_aside_and_the_next_one_taken(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with open_desk(loaded) as desk:
        broken = container_of(loaded, FIRST) / "irk_keyfob.key"
        broken.write_bytes(b"not base64")
        record = (await attempt(desk, Fobs(loaded).make())).record
        assert (record.disposition, record.fesn) == ("pass", SECOND)
        (aside,) = desk.ledger.aside()
        assert str(broken) in aside.reason
        assert counts(desk) == {"CONSUMED": 1}


async def test_without_a_whole_container_the_card_is_not_selected(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with open_desk(loaded) as desk:
        for fesn in (FIRST, SECOND):
            (container_of(loaded, fesn) / "irk_keyfob.key").write_bytes(b"not base64")
        conclusion = await attempt(desk, fob := Fobs(loaded).make())
        assert (conclusion.record.disposition, conclusion.record.cause) == ("error", "SourceError")
        assert "no container is free; 2 are set aside, the first: " in conclusion.record.message
        assert conclusion.verdict.exit_code == 3
        assert [header for header, _ in fob.log] == [GET_UID]
        assert counts(desk) == {}


async def test_without_a_free_container_nothing_is_sent(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with open_desk(loaded) as desk:
        fobs = Fobs(loaded)
        for _ in range(2):
            await attempt(desk, fobs.make())
        record = (await attempt(desk, fob := fobs.make())).record
        assert (record.disposition, record.cause) == ("error", "SourceError")
        assert SELECT not in [header for header, _ in fob.log]


async def test_a_fob_with_a_random_uid_is_refused(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with open_desk(loaded) as desk:
        record = (await attempt(desk, fob := Fobs(loaded).make(uid=b"\x08abc"))).record
        assert (record.disposition, record.cause) == ("error", "IdentityError")
        assert (record.uid, len(fob.log)) == (None, 1)


class WrongKcvSource(ExpiringSource):
    """A source whose keys are not those that their check values speak of."""

    def adopt(self, parcel: Parcel) -> Lease:
        lease = self._source.adopt(parcel)
        kcv = KeyCheckValues(bytes(3), bytes(3), bytes(3))
        keys = msgspec.structs.replace(lease.keys, kcv=kcv)
        return msgspec.structs.replace(lease, keys=keys)


async def test_key_check_values_of_other_keys_cost_the_card_nothing(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with open_desk(loaded, around=WrongKcvSource) as desk:
        record = (await attempt(desk, fob := Fobs(loaded).make())).record
        assert (record.disposition, record.cause) == ("fail", "KeyCheckError")
        assert [header for header, _ in fob.log] == [GET_UID]
        assert counts(desk) == {"FREE": 2}


@pytest.mark.parametrize("kind", [FaultKind.NO_R_MAC, FaultKind.WRONG_R_MAC])
async def test_an_answer_nobody_vouches_for_leaves_the_fob_bound(
    tmp_path: Path, kind: FaultKind
) -> None:
    edit = {'security_level = "01" ': 'security_level = "33" '}
    loaded = furnish(tmp_path, edits=edit)
    async with open_desk(loaded) as desk:
        fob = Fobs(loaded).faulty(kind, BLOCK_5)
        record = (await attempt(desk, fob)).record
        assert (record.disposition, record.cause) == ("error", "ResponseMacError")
        assert counts(desk) == {"FREE": 1, "BURNED": 1}
        again = (await attempt(desk, fob)).record
        assert (again.disposition, again.fesn) == ("pass", record.fesn)


@pytest.mark.parametrize("at", range(1, COMMANDS + 1))
async def test_a_refused_command_is_never_a_pass(tmp_path: Path, at: int) -> None:
    loaded = furnish(tmp_path)
    async with open_desk(loaded) as desk:
        fob = Fobs(loaded).make(Fault(FaultKind.STATUS_WORD, at, sw=0x6F00))
        record = (await attempt(desk, fob)).record
        assert (record.outcome, record.sw) == ("fail", "6F00")
        assert len(record.transcript) == at
        observed = "UNPERSONALIZED" if at > FIRST_BLOCK else "UNKNOWN"
        factory = fob.lifecycle is Lifecycle.FACTORY
        assert record.observed_state == ("FACTORY" if factory else observed)
        written = at > EXTERNAL_AUTHENTICATE
        assert counts(desk) == ({"FREE": 1, "QUARANTINED": 1} if written else {"FREE": 2})


@pytest.mark.parametrize(("step", "left"), [(2, {"FREE": 2}), (BLOCK_5, {"FREE": 1, "BURNED": 1})])
async def test_a_fault_of_the_program_is_an_error_that_quotes_nothing(
    tmp_path: Path, step: int, left: dict[str, int]
) -> None:
    def progress(exchange: Exchange, state: Provisioning) -> None:
        if exchange.step == step:
            raise RuntimeError("8b4b8d7ec45dfa503a35f6df8f6bbdd9")

    loaded = furnish(tmp_path)
    async with open_desk(loaded) as desk:
        with pytest.raises(RuntimeError):
            await attempt(desk, Fobs(loaded).make(), progress=progress)
        (record,) = desk.ledger.records_after(0)
        text = record.text
        assert '"disposition":"error"' in text
        assert '"cause":"RuntimeError"' in text
        assert "8b4b8d7e" not in text
        assert counts(desk) == left


@pytest.mark.parametrize("trouble", ["none", "ledger", "card", "fault of the program"])
async def test_the_secrets_of_a_fob_are_wiped_whatever_comes(tmp_path: Path, trouble: str) -> None:
    leases: list[Lease] = []

    def progress(exchange: Exchange, state: Provisioning) -> None:
        if state.lease is not None:
            leases.append(state.lease)
        if exchange.step == BLOCK_5 and trouble == "fault of the program":
            raise RuntimeError
        if exchange.step == COMMANDS and trouble == "ledger":
            sql(tmp_path / "var", "ALTER TABLE record RENAME TO hidden")

    loaded = furnish(tmp_path)
    fobs = Fobs(loaded)
    torn = trouble == "card"
    fob = fobs.faulty(FaultKind.TORN_BEFORE, BLOCK_5) if torn else fobs.make()
    async with open_desk(loaded) as desk:
        with suppress(LedgerError, RuntimeError):
            await attempt(desk, fob, progress=progress)
    assert [bytes(secret.expose()) for secret in leases[0].secrets] == [bytes(32), bytes(16)]


# ------------------------------------------------------------------------ what the source hears


class HearingSource(ExpiringSource):
    """A source whose leases have a name of its own, and whose pool is elsewhere."""

    refuses = False

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.facts = msgspec.structs.replace(source.facts, pool="elsewhere", remote=True)

    async def fetch(self, unit: Unit, *, ttl_s: int | None = None) -> Parcel:
        parcel = await super().fetch(unit)
        lease = await anyio.to_thread.run_sync(self._source.adopt, parcel)
        return Parcel(unit, msgspec.structs.replace(lease, lease_id="over there"))

    def adopt(self, parcel: Parcel) -> Lease:
        assert parcel.lease is not None
        if self.refuses:
            raise SourceError("issued twice")
        return parcel.lease


class RefusedSource(HearingSource):
    refuses = True


ABORT, COMMIT = EndKind.ABORT, EndKind.COMMIT


@pytest.mark.parametrize(
    ("around", "faults", "kind", "touched"),
    [
        (HearingSource, (), COMMIT, Touched.UNKNOWN),
        (HearingSource, (Fault(FaultKind.STATUS_WORD, BLOCK_5, sw=0x6581),), COMMIT, None),
        (HearingSource, (Fault(FaultKind.TORN_BEFORE, BLOCK_5),), ABORT, Touched.PARTIAL),
        (HearingSource, (Fault(FaultKind.TORN_AFTER, LAST_BLOCK),), ABORT, Touched.UNKNOWN),
        (HearingSource, (Fault(FaultKind.TORN_BEFORE, 2),), ABORT, Touched.NONE),
        (RefusedSource, (), ABORT, Touched.NONE),
    ],
    ids=["passed", "failed", "bound", "in doubt", "untouched", "refused"],
)
async def test_the_end_of_a_lease_is_written_down_with_the_outcome(
    tmp_path: Path,
    around: Callable[[Source], Source],
    faults: tuple[Fault, ...],
    kind: EndKind,
    touched: Touched | None,
) -> None:
    loaded = furnish(tmp_path)
    async with open_desk(loaded, around=around) as desk:
        conclusion = await attempt(desk, fob := Fobs(loaded).make(*faults))
        (untold,) = desk.ledger.outbox.due("elsewhere")
    end, text = untold.end, conclusion.record.json()
    assert (end.uid, end.lease_id, end.kind) == (fob.uid, "over there", kind)
    assert end.outcome is conclusion.verdict.outcome
    assert touched in (None, end.touched)
    assert end.record_sha256 == hashlib.sha256(text.encode()).hexdigest()


async def test_a_source_that_hears_no_ends_has_none_to_hear(tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    async with open_desk(loaded) as desk:
        await attempt(desk, Fobs(loaded).make())
        assert desk.ledger.outbox.waiting() == []


async def test_an_attempt_that_could_not_be_ended_is_ended_before_the_next_one(
    tmp_path: Path,
) -> None:
    loaded = furnish(tmp_path)
    directory = loaded.resolve(loaded.config.station.data_dir)
    fob = Fobs(loaded).make()
    async with open_desk(loaded) as desk:
        full = "BEFORE INSERT ON record BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        sql(directory, f"CREATE TRIGGER full {full}")
        for _ in range(2):
            with pytest.raises(LedgerError):
                await attempt(desk, fob)
        sql(directory, "DROP TRIGGER full")
        conclusion = await attempt(desk, fob)
        ended = sql(directory, "SELECT disposition, json FROM record ORDER BY id")
        assert [disposition for disposition, _ in ended][:-1] == ["interrupted"]
        assert "the ledger could not be written at the end of this attempt" in ended[0][1]
        assert ended[-1][0] == conclusion.verdict.disposition.value
        assert sql(directory, "SELECT id FROM attempt") == []
