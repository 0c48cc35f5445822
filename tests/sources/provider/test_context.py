"""The calls of a library, in this process: what it gives back is a value or a refusal."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kfasync.crypto.heap import HeapVault
from kfasync.errors import ProviderError, SourceError, SourceUnavailableError
from kfasync.model import Outcome, Touched
from kfasync.sources.provider.context import Context
from kfasync.sources.provider.library import Library
from kfasync.sources.provider.memory import Seat
from kfasync.sources.provider.parcel import Slip, unpack
from tests.sources.provider.hosts import GUILTY, opening, require_right, seat
from tests.station.desks import unit

DEADLINE_MS = 5000


@contextmanager
def context(misbehave: str = "", **further: object) -> Iterator[Context]:
    ask = opening(misbehave, **further)
    opened = Library.load(Path(ask.path), ask.sha256).open(ask.config, DEADLINE_MS)
    try:
        yield opened
    finally:
        opened.close()


def lease(opened: Context, here: Seat, number: int = GUILTY) -> Slip:
    return opened.lease(unit(number), here, DEADLINE_MS)


def test_a_lease_is_in_the_seat_and_on_the_slip() -> None:
    with context() as opened, seat() as here:
        slip = lease(opened, here, 7)
        assert (slip.lease_id, slip.kvn, slip.ttl_ms) == ("lease-7", 255, 60000)
        require_right(unpack("it", slip, here, HeapVault()), 7)


def test_a_library_that_wants_more_room_gets_it() -> None:
    with context("large") as opened, seat() as here:
        first, then = (lease(opened, here, number) for number in (1, GUILTY))
        assert then.items_size > first.items_capacity
        require_right(unpack("it", then, here, HeapVault()), GUILTY)


@pytest.mark.parametrize(
    ("misbehave", "sentence"),
    [
        ("greedy", "wants 4294967295 bytes for items .* is all there is"),
        ("modest", "asked for more room than it was given, and named less"),
        ("growing", "not content with the room that it asked for 2 times"),
        ("unterminated", "leased a lease id that does not end"),
        ("latin", "a FESN that is not UTF-8"),
    ],
)
def test_what_cannot_be_is_a_breach(misbehave: str, sentence: str) -> None:
    with context(misbehave) as opened, seat() as here:
        with pytest.raises(ProviderError, match=sentence) as caught:
            lease(opened, here)
        assert caught.value.code is None
        assert lease(opened, here, 7).fesn == "HOST0007"


@pytest.mark.parametrize(
    ("result", "kind"),
    [(-100, ProviderError), (-201, SourceUnavailableError), (-2500, SourceUnavailableError)],
)
def test_a_refusal_quotes_the_library(result: int, kind: type[SourceError]) -> None:
    said = f'result {result}.*"as the configuration wants it"'
    with context(result=result) as opened, seat() as here, pytest.raises(kind, match=said):
        lease(opened, here)


def test_a_result_above_zero_is_a_breach() -> None:
    with context(result=7) as opened, seat() as here:
        with pytest.raises(ProviderError, match="gave 7 for a result") as caught:
            lease(opened, here)
        assert caught.value.code is None


def test_a_configuration_that_is_refused_is_told_in_one_line() -> None:
    said = 'says: "the key "misbehave" is wrong"'
    with pytest.raises(ProviderError, match=said) as caught, context("config"):
        pass
    assert caught.value.code == -4


def test_ends_are_told_and_a_lease_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with context(directory=str(tmp_path)) as opened:
        for outcome in (Outcome.PASS, Outcome.FAIL):
            opened.commit("lease-1", outcome, DEADLINE_MS)
        for touched in Touched:
            opened.abort("lease-2", touched, DEADLINE_MS)
        with pytest.raises(ProviderError, match=r"knows no such lease \(result -5\)"):
            opened.commit("other", Outcome.PASS, DEADLINE_MS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["told-1", "told-2"]


def test_a_library_that_does_not_count_says_so() -> None:
    with context() as opened, pytest.raises(ProviderError, match="does not count its content"):
        opened.count()


def test_a_call_that_waits_returns_when_it_is_cancelled() -> None:
    with context("slow") as opened, seat() as here:
        # As often as it takes: a cancel that comes before the call has begun is not for it.
        done = threading.Event()

        def cancel() -> None:
            while not done.wait(0.001):
                opened.cancel()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(SourceUnavailableError, match="was told to stop"):
            lease(opened, here)
        done.set()
        canceller.join()
