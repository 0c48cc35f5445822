"""A library that is hard of hearing: no lane waits for it, and in the end it has heard all."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kfasync.sim.faults import FaultKind
from kfasync.station import assembly, sender
from kfasync.station.config import LoadedConfig, load
from tests.native_build import PROVIDERS, library, reference_parts
from tests.pcscd.floor import write_provider_config
from tests.station.desks import BLOCK_5, EXTERNAL_AUTHENTICATE, Floor, floor

pytestmark = pytest.mark.anyio

FOBS = 7


class Ear:
    """What the library does with ends, and which it has heard."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def be(self, mode: str) -> None:
        mode_file = self._directory / "mode"
        if not mode:
            mode_file.unlink()
            return
        written = self._directory / "mode-to-be"
        written.write_text(mode)
        written.rename(mode_file)

    def heard(self) -> list[str]:
        file = self._directory / "heard"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def ear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ear:
    directory = tmp_path / "ear"
    directory.mkdir()
    monkeypatch.setitem(os.environ, "KF_DEAF", str(directory))
    monkeypatch.setattr(sender, "RETRY_S", 0.05)
    monkeypatch.setattr(sender, "RETRY_MAX_S", 0.1)
    monkeypatch.setattr(assembly, "ENDS_LINGER_S", 0.0)
    return Ear(directory)


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedConfig:
    deaf = library(PROVIDERS / "deaf.c", *reference_parts())
    return load(write_provider_config(tmp_path, containers=FOBS + 1, library=deaf))


def untold(place: Floor) -> int:
    return sum(one.due for one in place.desk.ledger.outbox.waiting())


async def all_told(place: Floor, ear: Ear) -> None:
    await place.until_notice("outbox", "ends not told yet")
    ear.be("")
    await place.until_notice("outbox", "")
    assert untold(place) == 0


async def passes(place: Floor) -> AsyncIterator[str]:
    for _ in range(FOBS):
        record = await place.serve("A", place.fobs.make())
        assert record.outcome == "pass", record.message
        assert record.fesn is not None
        yield record.fesn


@pytest.mark.parametrize("mode", ["crash", "away"])
async def test_ends_that_were_not_heard_are_told_as_soon_as_they_can_be(
    loaded: LoadedConfig, ear: Ear, mode: str
) -> None:
    ear.be(mode)
    async with floor(loaded) as place:
        async for _ in passes(place):
            pass
        assert untold(place) == FOBS
        assert ear.heard() == []
        await all_told(place, ear)
        heard = ear.heard()
        assert len(heard) == len(set(heard)) == FOBS
        assert {line.split()[0] for line in heard} == {"commit"}
    assert place.notices[-1].problem == ""


async def test_ends_are_told_across_a_restart(loaded: LoadedConfig, ear: Ear) -> None:
    ear.be("away")
    async with floor(loaded) as place:
        fobs = [fesn async for fesn in passes(place)]
        # Bound, and its end is an abort.
        torn = place.fobs.faulty(FaultKind.TORN_BEFORE, BLOCK_5)
        assert (await place.serve("A", torn)).disposition == "bound"
    assert ear.heard() == []
    ear.be("")
    async with floor(loaded) as place:
        # Another fob may come meanwhile, and its end with the others.
        assert (await place.serve("A", place.fobs.make())).disposition == "already-provisioned"
    heard = ear.heard()
    assert len(heard) == len(set(heard)) == len(fobs) + 1
    assert sorted(line.split()[0] for line in heard) == ["abort", *["commit"] * FOBS]


async def test_an_end_whose_answer_was_lost_is_told_again_and_changes_nothing(
    loaded: LoadedConfig, ear: Ear
) -> None:
    ear.be("crash-after")
    async with floor(loaded) as place:
        async for _ in passes(place):
            pass
        await all_told(place, ear)
    heard = ear.heard()
    assert len(set(heard)) == FOBS  # at least once each, and each the same as before
    assert {line.split()[0] for line in heard} == {"commit"}


async def test_ends_that_are_refused_are_shown_and_stay(loaded: LoadedConfig, ear: Ear) -> None:
    ear.be("refuse")
    async with floor(loaded) as place:
        assert (await place.serve("A", place.fobs.make())).outcome == "pass"
        await place.until_notice("outbox", "ends refused for good: 1; have the source checked")
        (waiting,) = place.desk.ledger.outbox.waiting()
        assert (waiting.due, waiting.refused) == (0, 1)


async def test_a_fob_that_comes_back_at_once_keeps_its_content(
    loaded: LoadedConfig, ear: Ear
) -> None:
    """Its first end, "abort, untouched", must not free what the second attempt writes."""
    ear.be("away")
    async with floor(loaded) as place:
        # With a lease, and before anything is burned.
        fob = place.fobs.faulty(FaultKind.TORN_BEFORE, EXTERNAL_AUTHENTICATE)
        first = await place.serve("A", fob)
        assert first.disposition == "retry"
        second = await place.serve("A", fob)
        assert (second.outcome, second.fesn) == ("pass", first.fesn)
        await all_told(place, ear)
        other = await place.serve("A", place.fobs.make())
        assert other.fesn != first.fesn
    assert [line.split()[0] for line in ear.heard()] == ["commit", "commit"]
