"""The feed: what lanes and followers tell, for any number of subscribers.

    lane's thread --publish--> Feed --> Subscription --> a subscriber's own thread
                                   \\--> Subscription --> ...

Publishing never waits and never raises. A subscriber that is slow loses detail (the steps in
between, and the exchanges of old records), and never a result.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import msgspec

from kfasync.audit.record import AttemptRecord
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice

Entry: TypeAlias = LaneEvent | Notice

# News that a subscriber may be behind with before it loses detail: a fob makes about twenty.
BACKLOG = 256


class Feed:
    """Everybody's news, and how every lane stands now; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes: dict[int, LaneEvent] = {}
        self._subscriptions: list[Subscription] = []

    def publish(self, news: Entry) -> None:
        """Tell everybody; from any thread."""
        with self._lock:
            if isinstance(news, LaneEvent):
                self._lanes[news.slot] = news
            for subscription in self._subscriptions:
                subscription.put(news)

    def lanes(self) -> list[LaneEvent]:
        """The last news of every lane, by slot."""
        with self._lock:
            return [self._lanes[slot] for slot in sorted(self._lanes)]

    def subscribe(self) -> "Subscription":
        """All news from now on."""
        subscription = Subscription()
        with self._lock:
            self._subscriptions.append(subscription)
        return subscription

    def leave(self, subscription: "Subscription") -> None:
        """Nothing more is put in there, and :meth:`Subscription.take` ends with what is left."""
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)
        subscription.close()

    @contextmanager
    def listener(
        self, hear: Callable[[Entry], None], failed: Callable[[Exception], None]
    ) -> Iterator[None]:
        """Hand the news to a function, in a thread of its own, for as long as the context is open.

        At its end it is given what it has not heard yet, and waited for.

        Args:
            failed: told of the first error of ``hear``, after which it hears nothing more.
        """
        subscription = self.subscribe()

        def work() -> None:
            try:
                while batch := subscription.take():
                    for news in batch:
                        hear(news)
            except Exception as error:
                self.leave(subscription)
                failed(error)

        # A daemon: one that never comes back must not keep the process alive.
        thread = threading.Thread(target=work, name="kfasync listener", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.leave(subscription)
            thread.join(_PATIENCE_S)


class Subscription:
    """What one subscriber has not taken yet."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pending: deque[Entry] = deque()
        self._limit = BACKLOG
        self._closed = False

    def take(self, timeout_s: float | None = None) -> list[Entry]:
        """Everything since the last time, in order; waits for the first of it.

        Empty when nothing has come in time, or when nothing will come any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._closed, timeout_s)
            taken = list(self._pending)
            self._pending.clear()
            self._limit = BACKLOG
            return taken

    def put(self, news: Entry) -> None:
        """One more; never waits for the subscriber."""
        with self._changed:
            if self._closed:
                return
            self._pending.append(news)
            if len(self._pending) > self._limit:
                self._pending = _without_detail(self._pending)
                # So that a subscriber that never comes costs a lane no more than one that does.
                self._limit = max(BACKLOG, 2 * len(self._pending))
            self._changed.notify()

    def close(self) -> None:
        """Nothing will come any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


_PATIENCE_S = 2.0  # with a subscriber that is to take its last news


def _without_detail(pending: deque[Entry]) -> deque[Entry]:
    """Every result, without its exchanges, and the last of everything else."""
    kept: deque[Entry] = deque()
    seen: set[int | str] = set()
    for news in reversed(pending):
        if isinstance(news, LaneEvent) and news.record is not None:
            kept.appendleft(_short(news, news.record))
            continue
        whose = news.slot if isinstance(news, LaneEvent) else news.follower
        if whose not in seen:
            seen.add(whose)
            kept.appendleft(news)
    return kept


def _short(news: LaneEvent, record: AttemptRecord) -> LaneEvent:
    if not record.transcript:
        return news  # it has been here before
    record = msgspec.structs.replace(record, transcript=(), stages=())
    return msgspec.structs.replace(news, record=record)
