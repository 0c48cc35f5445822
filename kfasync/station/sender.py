"""Tells the source of the content how its leases ended, from the outbox; no lane waits for it."""

import time

import anyio
import msgspec
from anyio import to_thread

from kfasync.contracts.sources import Source
from kfasync.errors import SourceUnavailableError
from kfasync.ledger.outbox import Outbox, Untold, Waiting
from kfasync.station.follower import Progress
from kfasync.station.roster import Roster

BATCH = 100  # ends told in one call
BACKLOG = 2 * BATCH  # left after a step, fobs end faster than the source hears of it
# An end that breaks a library costs the calls beside it a moment, so it waits longer each time.
RETRY_S = 0.5
RETRY_MAX_S = 10.0


class Sender:
    """The sender of one station; all of it on the event loop but the ledger.

    The ends of a unit that is being worked on are held back: the source gives its lease to the
    new attempt, and an old "abort, untouched" after that would free what the new one writes.
    """

    def __init__(self, source: Source, outbox: Outbox, roster: Roster) -> None:
        self._source = source
        self._outbox = outbox
        self._roster = roster
        self._telling: frozenset[bytes] = frozenset()
        self._told: anyio.Event | None = None
        self._not_before: dict[int, float] = {}  # of an end that was not heard
        self._looked, self._idle = False, Progress()
        self._away = ""  # why nobody was there
        self._away_until = 0.0
        self._away_s = RETRY_S

    async def step(self) -> Progress:
        """Tell what can be told now."""
        if not self._source.facts.remote and self._looked:
            return self._idle  # there will be no more than there was at the start
        self._looked = True
        seen = await to_thread.run_sync(self._look)
        heard_all = True
        # A batch that brought trouble is the last of its step, so that every step has an end.
        while heard_all and (batch := self._tellable(seen.due)):
            try:
                # Shielded: what was heard is written down, or it would be told once more.
                with anyio.CancelScope(shield=True):
                    seen, heard_all = await self._tell(batch)
            except SourceUnavailableError as error:
                self._away_until = time.monotonic() + self._away_s
                self._away_s = min(2 * self._away_s, RETRY_MAX_S)
                self._away = str(error)
            else:
                self._away_s, self._away = RETRY_S, ""
        self._idle = self._progress(seen.waiting)
        return self._idle

    async def quiet(self, uid: bytes) -> None:
        """Wait until no end of this unit is on its way; one that has not left will not leave.

        For a unit that is on the roster.
        """
        while uid in self._telling and self._told is not None:
            await self._told.wait()

    def _tellable(self, due: list[Untold]) -> list[Untold]:
        now, numbers = time.monotonic(), {one.number for one in due}
        self._not_before = {n: at for n, at in self._not_before.items() if n in numbers}
        if now < self._away_until:
            return []
        held = self._roster.uids()
        free = [
            one
            for one in due
            if one.end.uid not in held and self._not_before.get(one.number, 0.0) <= now
        ]
        return free[:BATCH]

    async def _tell(self, batch: list[Untold]) -> tuple["_Seen", bool]:
        # Between the look at the roster and this there is no await: a unit that comes onto the
        # roster later finds itself here and waits.
        self._telling, self._told = frozenset(one.end.uid for one in batch), anyio.Event()
        try:
            answers = await self._source.tell([one.end for one in batch])
            heard: list[int] = []
            postponed: dict[int, str] = {}
            refused: dict[int, str] = {}
            for one, answer in zip(batch, answers, strict=True):
                self._not_before.pop(one.number, None)
                if answer is None:
                    heard.append(one.number)
                elif answer.retryable:
                    postponed[one.number] = str(answer)
                    wait_s = min(RETRY_S * 2.0 ** min(one.tries, 10), RETRY_MAX_S)
                    self._not_before[one.number] = time.monotonic() + wait_s
                else:
                    refused[one.number] = str(answer)
            seen = await to_thread.run_sync(self._settle, heard, postponed, refused)
            return seen, not postponed
        finally:
            self._telling = frozenset()
            self._told.set()

    def _progress(self, waiting: list[Waiting]) -> Progress:
        now, pool = time.monotonic(), self._source.facts.pool
        again_s: float | None = None
        sentences: list[str] = []
        for one in waiting:
            if one.pool != pool:
                if one.due:
                    sentences.append(
                        f"ends that wait for {one.pool}, which is not the source of this station: "
                        f"{one.due}; start it once with that source"
                    )
                continue
            # What is only held back, because its fob is on a reader, is no problem.
            if self._not_before or now < self._away_until:
                soonest = min(self._not_before.values(), default=0.0)
                again_s = max(self._away_until, soonest) - now
                reason = self._away or one.problem
                sentences.append(f"ends not told yet: {one.due}: {reason}")
            elif one.due > BACKLOG:
                sentences.append(f"ends not told yet: {one.due}: more than one step can tell")
            if one.refused:
                sentences.append(f"ends refused for good: {one.refused}; have the source checked")
        return Progress("; ".join(sentences), None if again_s is None else max(again_s, 0.0))

    # ------------------------------------------------------------------ in a worker thread

    def _look(self) -> "_Seen":
        return _Seen(self._outbox.due(self._source.facts.pool), self._outbox.waiting())

    def _settle(
        self, heard: list[int], postponed: dict[int, str], refused: dict[int, str]
    ) -> "_Seen":
        self._outbox.settle(heard, postponed, refused)
        return self._look()


class _Seen(msgspec.Struct, frozen=True):
    """The outbox at one moment."""

    due: list[Untold]
    waiting: list[Waiting]
