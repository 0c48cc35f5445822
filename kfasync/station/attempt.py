"""One attempt on one fob: the only loop that meets the world."""

import hashlib
import secrets
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, assert_never

import msgspec
from anyio import from_thread

from kfasync import __version__
from kfasync.audit.record import AttemptRecord, now
from kfasync.contracts.cards import Card
from kfasync.contracts.sources import End, EndKind, Parcel
from kfasync.core.effects import (
    Durable,
    Effect,
    Exchange,
    Identified,
    NeedLease,
    WantLease,
    drive,
)
from kfasync.core.flow import Provisioning
from kfasync.errors import KfError, LeaseExpiredError, LedgerError, SourceUnavailableError
from kfasync.ledger.attempts import Begun, Ending
from kfasync.model import (
    ContentState,
    Disposition,
    Lease,
    Mark,
    Scp03Mode,
    SessionFacts,
    Stage,
    Standing,
    Unit,
)
from kfasync.station.batch import ReferenceFound
from kfasync.station.desk import Desk
from kfasync.station.fetches import Fetch
from kfasync.station.interrupted import UNWRITTEN, end_interrupted
from kfasync.station.journal import Journal
from kfasync.station.policy import Verdict, judge, settle

_WRITING = (
    Stage.EXTERNAL_AUTHENTICATE,
    Stage.PAYLOAD_DELIVERY,
    Stage.LIFECYCLE_TRANSITION,
)
CHALLENGE_SIZE = {Scp03Mode.S8: 8, Scp03Mode.S16: 16}


class Conclusion(msgspec.Struct, frozen=True):
    """How an attempt ended, as the ledger has it."""

    record: AttemptRecord
    verdict: Verdict


class Attempt:
    """Drives the flow of one fob, in a worker thread from beginning to end.

    Args:
        watched: put around every call that may never return, for the lane's watchdog.
        progress: told of the attempt's name and how far it is, before every command (which comes
            with it) and before a lease is asked for.
        keep_waiting: asked when the source is away, with how often that was so; may wait, and says
            whether it is to be asked once more.
    """

    def __init__(
        self,
        desk: Desk,
        slot: int,
        reader: str,
        card: Card,
        *,
        watched: Callable[[], AbstractContextManager[None]],
        progress: Callable[[str, Provisioning, Exchange | None], None],
        keep_waiting: Callable[[str, Provisioning, KfError, int], bool],
    ) -> None:
        self._name = uuid.uuid4().hex
        self._desk = desk
        self._slot = slot
        self._reader = reader
        self._card = card
        self._watched = watched
        self._progress = progress
        self._keep_waiting = keep_waiting
        self._journal = Journal()
        self._held = ExitStack()
        self._parcel: Parcel | None = None
        self._fetch: Fetch | None = None  # asked for and not taken
        self._state = Provisioning(
            desk.profile,
            desk.path,
            atr=card.atr,
            host_challenge=secrets.token_bytes(CHALLENGE_SIZE[desk.profile.scp03_mode]),
        )

    def run(self) -> Conclusion:
        """See the fob through; one that is given up because the station stops has an end too.

        Raises:
            LedgerError: the outcome could not be written, so there is none.
            ReferenceFound: it is a reference fob; nobody was told of it.
        """
        with self._held:
            try:
                drive(self._state.run(), self._perform)
            except ReferenceFound:
                raise  # nothing was begun
            except KfError as error:
                return self._conclude(error)
            except BaseException as error:
                # Cancellation, or a fault of ours: what the card has seen is settled all the
                # same. A fault then goes its way; who is cancelled learns it at its next await.
                conclusion = self._conclude(error)
                if isinstance(error, Exception):
                    raise
                return conclusion
            return self._conclude(None)

    def _perform(self, effect: Effect) -> Any:
        self._journal.enter(self._state.stage)
        match effect:
            case Exchange():
                return self._exchange(effect)
            case Identified(unit):
                return self._identify(unit)
            case WantLease(unit):
                if not self._desk.asks_early:
                    return False
                self._fetch = from_thread.run_sync(self._desk.fetches.ask, unit)
                return self._fetch is not None
            case NeedLease(unit):
                return self._lease(unit)
            case Durable(lease, mark, facts):
                return self._write_down(lease, mark, facts)
            case _:
                assert_never(effect)

    def _exchange(self, exchange: Exchange) -> bytes:
        if exchange.interruptible:
            from_thread.check_cancelled()
        if exchange.stage is Stage.EXTERNAL_AUTHENTICATE:
            self._require_time()
        self._progress(self._name, self._state, exchange)
        began = time.monotonic_ns()
        answer = b""
        try:
            with self._watched():
                answer = self._card.transmit(exchange.command)
        finally:
            # A command that got no answer is in the transcript too: it may have arrived.
            took_us = (time.monotonic_ns() - began) // 1000
            self._journal.exchanged(exchange, answer, took_us)
        return answer

    def _identify(self, unit: Unit) -> Standing:
        self._desk.batch.admit(unit.uid)
        self._held.enter_context(self._desk.roster.working_on(unit, self._reader))
        self._end_the_one_before(unit)
        return self._desk.ledger.begin(
            Begun(
                attempt=self._name,
                unit=unit,
                slot=self._slot,
                reader=self._reader,
                started=self._journal.started,
            )
        )

    def _end_the_one_before(self, unit: Unit) -> None:
        """An attempt on this unit that a full disk has left open: its lease is to be ended too."""
        desk = self._desk
        if desk.roster.take_unended(unit):
            try:
                end_interrupted(desk.ledger, desk.station, unit, UNWRITTEN)
            except LedgerError:
                desk.roster.leave_unended(unit)
                raise

    def _lease(self, unit: Unit) -> Lease:
        remote = self._desk.source.facts.remote
        self._progress(self._name, self._state, None)
        # Where there is nothing to fetch, the event loop is not waited for.
        parcel = self._parcel_for(unit) if remote else Parcel(unit)
        self._parcel = parcel
        # Held by the attempt from here on, and wiped with it whatever comes.
        if parcel.lease is not None:
            self._held.callback(_wipe, parcel.lease)
        lease = self._desk.source.adopt(parcel)
        if parcel.lease is None:
            self._held.callback(_wipe, lease)
        return lease

    def _parcel_for(self, unit: Unit) -> Parcel:
        tries = 0
        while True:
            fetch, self._fetch = self._fetch, None
            try:
                return from_thread.run(self._desk.fetches.take, unit, fetch)
            except SourceUnavailableError as error:
                if not self._keep_waiting(self._name, self._state, error, tries):
                    raise
            tries += 1
            self._progress(self._name, self._state, None)

    def _require_time(self) -> None:
        """Before the first command that costs the card anything: a lease that lasts to the end.

        It had enough when it was taken, but a session may have been slow to begin since then.
        """
        lease = self._state.lease
        if lease is None or lease.expires_at_s is None:
            return
        left_s, wanted_s = lease.expires_at_s - time.monotonic(), self._desk.write_time.p99_s
        if left_s < wanted_s:
            raise LeaseExpiredError(
                f"the lease of container {lease.content.fesn} has {max(left_s, 0.0):.1f} s left, "
                f"and a fob takes up to {wanted_s:.1f} s to be written"
            )

    def _write_down(self, lease: Lease, mark: Mark, facts: SessionFacts | None) -> None:
        expires = lease.expires_at_s
        # The first of each way to the first STORE DATA, and of one in doubt before its session.
        first = mark in (Mark.BURNED, Mark.BEGUN, Mark.AUTHENTICATED)
        if first and expires is not None and time.monotonic() >= expires:
            raise LeaseExpiredError(
                f"the lease of container {lease.content.fesn} ran out before the fob was ready"
            )
        self._desk.ledger.mark(lease, mark, facts)

    # ------------------------------------------------------------------ its end

    def _conclude(self, error: BaseException | None) -> Conclusion:
        state, verdict = self._state, judge(self._state, error)
        content = settle(state, verdict.disposition) if state.lease else None
        if state.lease is None and state.stage is Stage.FETCH_KEYS:
            # Claimed and then not to be read, it never became a lease. Only then: content that
            # is reserved for this UID may be that of another fob of the same UID.
            content = ContentState.FREE
        record = self._record(verdict)
        if verdict.disposition is Disposition.PASS:
            self._desk.write_time.add(
                sum(one.took_us for one in record.stages if one.stage in _WRITING) / 1e6
            )
        text = record.json()
        ending = Ending(
            attempt=record.attempt,
            record=text,
            disposition=verdict.disposition,
            unit=state.unit,
            lease=state.lease,
            state=content,
            source=self._desk.source.facts.pool,
            end=self._end(verdict, content, text),
        )
        try:
            self._desk.ledger.finish(ending)
        except LedgerError:
            if state.unit is not None:
                self._desk.roster.leave_unended(state.unit)
            raise
        return Conclusion(record, verdict)

    def _end(self, verdict: Verdict, content: ContentState | None, text: str) -> End | None:
        """What the source has to be told, if it hears of ends; of a refused lease too."""
        lease = self._state.lease or (self._parcel.lease if self._parcel else None)
        digest = hashlib.sha256(text.encode()).hexdigest()
        if self._fetch is not None:
            lease = from_thread.run_sync(self._desk.fetches.leave, self._fetch, digest)
            if lease is not None:
                _wipe(lease)
        if lease is None or not self._desk.source.facts.remote:
            return None
        used_up = content in (ContentState.CONSUMED, ContentState.QUARANTINED)
        return End(
            uid=lease.unit.uid,
            lease_id=lease.lease_id,
            kind=EndKind.COMMIT if used_up else EndKind.ABORT,
            outcome=verdict.outcome,
            touched=self._state.touched,
            record_sha256=digest,
        )

    def _record(self, verdict: Verdict) -> AttemptRecord:
        state, desk = self._state, self._desk
        unit, lease, facts = state.unit, state.lease, state.facts
        kcv = msgspec.structs.asdict(lease.keys.kcv) if lease else None
        source = desk.source.facts
        return AttemptRecord(
            attempt=self._name,
            station=desk.station,
            slot=self._slot,
            reader=self._reader,
            software=__version__,
            config_sha256=desk.config_sha256,
            crypto_path=desk.path.name,
            provider=f"{source.name} {source.version}" if source.name else None,
            provider_sha256=source.sha256,
            lease=lease.lease_id if lease and source.remote else None,
            started=self._journal.started,
            finished=now(),
            stages=self._journal.stages(),
            uid=_hex(unit.uid) if unit else None,
            atr=_hex(self._card.atr),
            profile=desk.profile.name,
            fesn=lease.content.fesn if lease else None,
            spid=lease.content.spid if lease else None,
            kvn=facts.kvn if facts else None,
            kcv={name: _hex(value) for name, value in kcv.items()} if kcv else None,
            layout=facts.layout.value if facts else None,
            i_param=f"{facts.i_param:02X}" if facts and facts.i_param is not None else None,
            sequence_counter=facts.sequence_counter if facts else None,
            key_diversification_data=_hex(facts.key_diversification_data) if facts else None,
            security_level=desk.profile.security_level.value,
            scp03_mode=desk.profile.scp03_mode.value,
            device_certificate_issuer_checked=bool(lease and lease.issuer_checked),
            outcome=verdict.outcome.value,
            disposition=verdict.disposition.value,
            stage=state.stage,
            cause=verdict.cause,
            sw=f"{verdict.sw:04X}" if verdict.sw is not None else None,
            message=verdict.message,
            operator_action=verdict.operator_action,
            intended_state="FACTORY",
            observed_state=_observed(state),
            exchanges=self._journal.exchanges,
            transcript=tuple(self._journal.transcript),
        )


def _observed(state: Provisioning) -> str:
    """The applet's life-cycle state as this attempt saw it."""
    if state.factory:
        return "FACTORY"
    return "UNPERSONALIZED" if state.stored else "UNKNOWN"


def _hex(value: bytes) -> str:
    return value.hex().upper()


def _wipe(lease: Lease) -> None:
    for secret in lease.secrets:
        secret.wipe()
