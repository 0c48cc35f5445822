"""Leases of fobs that have been announced: fetched ahead, so that no lane waits for a server.

    announced -> fetched ahead -> taken by whichever lane the fob comes to
       ^              |----------> stale: once fetched anew
       |              `----------> stale again: dropped
       `-- while no fob comes at all, it waits here, and nothing is fetched

What is ahead is bounded by what can be used before it runs out: (TTL - p99 of the write time) over
the seconds between two fobs. A fob that others have overtaken counts no more for that, and the one
that was overtaken first is dropped when there are too many.
"""

import math
import time
from collections import deque
from collections.abc import Callable

import anyio
import msgspec

from kfasync.errors import KfError, UnitError
from kfasync.model import Unit
from kfasync.station.fetches import SESSION_S, Fetch, Fetches
from kfasync.station.writetime import WriteTime

AHEAD_S = 20.0  # a pause of the operator that a lease survives
AHEAD_MAX = 32  # leases for fobs that are expected next
HELD_MAX = 64  # with those that were overtaken
SECRETS_MAX = 320  # of all of them; locked memory has room for 512, and 16 lanes need 100
AT_ONCE = 12  # requests; of 16 connections some are left for the lanes' own
ANNOUNCED_MAX = 100_000  # UIDs; about a day of sixteen lanes
PACE_S = 1.0  # between two fobs, until it has been measured
RETRY_S = 1.0  # after a fetch that failed, and then twice as long each time
RETRY_MAX_S = 10.0
GIVES_WAY_S = 5.0  # an end is told within a second, and a lane asks again after one
SPARE_S = 2 * SESSION_S  # so that what is not stale yet is good when a lane takes it
_HELD_S = 60.0  # where a lease is good for longer, or for ever
_FOBS = 32  # that the pace is measured over


class Figures(msgspec.Struct, frozen=True):
    """How the prefetcher is getting on.

    Attributes:
        announced: fobs that are still to come.
        ahead: leases that are here for them, or on their way.
        taken, renewed, dropped: leases so far: used by a lane, fetched anew because they got
            stale, given up because their fob did not come.
        failed: fetches so far that brought no lease.
        too_short: leases so far that had too little time left when a lane wanted them, announced or
            not, and were fetched anew.
    """

    announced: int
    ahead: int
    taken: int
    renewed: int
    dropped: int
    failed: int
    too_short: int


class _Announced:
    """A fob to come; ``number`` is its place in the order announced."""

    def __init__(self, unit: Unit, number: int) -> None:
        self.unit = unit
        self.number = number
        self.fetch: Fetch | None = None
        self.was_renewed = False
        self.overtaken = False
        self.fobs_before = 0  # had come when it was fetched


class Prefetch:
    """The prefetcher of one station; all of it on the event loop.

    Args:
        unit_of: the unit of an announced UID, whose ATR nobody knows yet.
        clock: seconds; the one that leases run out by.
    """

    def __init__(
        self,
        fetches: Fetches,
        write_time: WriteTime,
        unit_of: Callable[[bytes], Unit],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetches = fetches
        self._write_time = write_time
        self._unit_of = unit_of
        self._clock = clock
        self._announced: dict[tuple[bytes, bytes], _Announced] = {}
        self._ahead: dict[tuple[bytes, bytes], _Announced] = {}  # those with a fetch
        self._changed = anyio.Event()
        self._pace = _Pace()
        self._number = 0
        self._fobs = 0
        self._asleep = False
        self._good_s: float | None = None  # of the last lease that came
        self._held_max = HELD_MAX  # leases with as many secrets as that one
        self._retry_s, self._not_before_s = RETRY_S, -math.inf
        self._gave_way_s = -math.inf
        self._taken = self._renewed = self._dropped = self._failed = 0
        fetches.on_ask = self._came
        fetches.on_ahead = self._learn
        fetches.on_empty = self._give_way

    def announce(self, uid: bytes) -> bool:
        """A fob with this UID is to come, after those announced before; False: too many are.

        Harmless for one that is there already, was announced before, or never comes.
        """
        unit = self._unit_of(uid)
        if not self._fetches.remote or _key(unit) in self._announced:
            return True
        if len(self._announced) >= ANNOUNCED_MAX:
            return False
        self._number += 1
        self._announced[_key(unit)] = _Announced(unit, self._number)
        self._wake()
        return True

    async def run(self) -> None:
        """Fetch ahead until cancelled; what is here then, the fetches hand back."""
        while True:
            changed = self._changed
            wait_s = self.step()
            with anyio.move_on_after(None if wait_s == math.inf else wait_s):
                await changed.wait()

    def figures(self) -> Figures:
        """How it is getting on."""
        return Figures(
            announced=len(self._announced),
            ahead=len(self._ahead),
            taken=self._taken,
            renewed=self._renewed,
            dropped=self._dropped,
            failed=self._failed,
            too_short=self._fetches.renewed,
        )

    # ------------------------------------------------------------------ what is done by itself

    def step(self) -> float:
        """Drop what is stale and fetch what is next; in how many seconds to look again."""
        now = self._clock()
        for one in [one for one in self._ahead.values() if self._stale_at_s(one) <= now]:
            self._refresh(one)
        if not self._asleep and now >= self._not_before_s:
            self._fill()
        wake_s = min(map(self._stale_at_s, self._ahead.values()), default=math.inf)
        if self._not_before_s > now and not self._asleep:
            wake_s = min(wake_s, self._not_before_s)
        return max(wake_s - now, 0.0)

    def _refresh(self, one: _Announced) -> None:
        """A lease has become too old to be used."""
        self._drop(one)
        if not one.was_renewed:
            one.was_renewed = True
            self._renewed += 1
            self._fetch(one)
            return
        self._dropped += 1
        if self._fobs > one.fobs_before:
            del self._announced[_key(one.unit)]  # others have come meanwhile: this one does not
        else:
            # The line stands still. Nothing more is asked for until the next fob comes, and then
            # this one is as likely to come as ever.
            one.was_renewed, self._asleep = False, True

    def _fill(self) -> None:
        depth = self._depth()
        expected = sum(not one.overtaken for one in self._ahead.values())
        on_their_way = sum(not _is_here(one) for one in self._ahead.values())
        for one in self._next(max(0, min(depth - expected, AT_ONCE - on_their_way))):
            if len(self._ahead) >= self._held_max and not self._make_room():
                return
            one.was_renewed, one.fobs_before = False, self._fobs
            self._fetch(one)

    def _next(self, count: int) -> list[_Announced]:
        found: list[_Announced] = []
        # Those in front have their lease already, so that only as many are looked at as there are.
        for one in self._announced.values():
            if len(found) == count:
                break
            if one.fetch is None:
                found.append(one)
        return found

    def _depth(self) -> int:
        """How many fobs that are expected may have a lease."""
        if self._good_s is None:
            return 1  # it will tell how long the others are good for
        usable_s = min(self._good_s, _HELD_S) - self._write_time.p99_s - SPARE_S
        if usable_s <= 0:
            return 0
        return min(AHEAD_MAX, self._held_max, int(usable_s / self._pace.seconds(usable_s)))

    def _make_room(self) -> bool:
        for one in self._ahead.values():
            if one.overtaken and _is_here(one):
                self._drop(one)
                self._dropped += 1
                del self._announced[_key(one.unit)]
                return True
        return False

    def _fetch(self, one: _Announced) -> None:
        ttl_s = math.ceil(AHEAD_S + self._write_time.p99_s + SPARE_S)
        one.fetch = self._fetches.ask_ahead(one.unit, ttl_s, self._told)
        if one.fetch is None:
            del self._announced[_key(one.unit)]  # it is on a reader at this moment
            self._wake()
        else:
            self._ahead[_key(one.unit)] = one

    def _drop(self, one: _Announced) -> None:
        assert one.fetch is not None
        self._fetches.drop(one.fetch)
        one.fetch = None
        del self._ahead[_key(one.unit)]

    def _stale_at_s(self, one: _Announced) -> float:
        if one.fetch is None or not _is_here(one):
            return math.inf
        until_s = min(one.fetch.expires_at_s, one.fetch.came_at_s + _HELD_S)
        return until_s - self._write_time.p99_s - SPARE_S

    # ------------------------------------------------------------------ what is heard

    def _came(self, unit: Unit) -> None:
        """A fob is on a reader, announced or not."""
        self._fobs += 1
        self._pace.add(self._clock())
        self._asleep = False
        one = self._announced.pop(_key(unit), None)
        if one is not None and one.fetch is not None:
            del self._ahead[_key(unit)]
            self._taken += 1
            for other in self._ahead.values():
                other.overtaken |= other.number < one.number
        self._wake()

    def _give_way(self) -> bool:
        """A fob is there and finds no content: those that are not there hand theirs back.

        One at a time, first those that were overtaken, then those that come last.
        """
        now = self._clock()
        here = [one for one in self._ahead.values() if _is_here(one)]
        if here:
            self._drop(max(here, key=lambda one: (one.overtaken, one.number)))
            self._dropped += 1
            self._gave_way_s = now
            # Or the next one that was announced would take it.
            self._not_before_s = now + RETRY_MAX_S
        return now - self._gave_way_s < GIVES_WAY_S

    def _learn(self, fetch: Fetch) -> None:
        """How long leases are good for, and how much memory they take.

        Also from one that its fob has overtaken on its way: on a quick line that is each of them
        as long as only one at a time is asked for.
        """
        self._good_s, self._retry_s = fetch.expires_at_s - fetch.came_at_s, RETRY_S
        self._held_max = min(HELD_MAX, SECRETS_MAX // max(1, fetch.secrets))
        self._wake()

    def _told(self, fetch: Fetch) -> None:
        """A lease has come, or does not."""
        one = self._ahead.get(_key(fetch.unit))
        if one is None or one.fetch is not fetch:
            return
        if fetch.error is not None:
            self._failed += 1
            del self._ahead[_key(fetch.unit)]
            one.fetch = None
            # What is wrong with one fob must not stop those behind it; its lane will be told.
            if not (isinstance(fetch.error, KfError) and fetch.error.retryable):
                del self._announced[_key(fetch.unit)]
            now = self._clock()
            if now >= self._not_before_s and not isinstance(fetch.error, UnitError):
                self._not_before_s = now + self._retry_s
                self._retry_s = min(2 * self._retry_s, RETRY_MAX_S)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class _Pace:
    """Seconds between two fobs, over the last of them."""

    def __init__(self) -> None:
        # A few of them beforehand, for lanes that begin together are no pace.
        self._between_s = deque([PACE_S] * 4, maxlen=_FOBS)
        self._last_s: float | None = None

    def add(self, now_s: float) -> None:
        if self._last_s is not None:
            self._between_s.append(now_s - self._last_s)
        self._last_s = now_s

    def seconds(self, most_s: float) -> float:
        """The mean; a longer time than ``most_s`` is a pause, and counts for no more than that."""
        total_s = sum(min(one, most_s) for one in self._between_s)
        return max(total_s / len(self._between_s), 1e-3)


def _is_here(one: _Announced) -> bool:
    return one.fetch is not None and one.fetch.done.is_set()


def _key(unit: Unit) -> tuple[bytes, bytes]:
    return unit.uid, unit.aid
