import shutil
from pathlib import Path

import anyio
import pytest

from kfasync.bench.pipeline.figures import FOB, PLACED, RESULT, FobTimes, Report
from kfasync.bench.pipeline.run import PATIENCE_S, Plan, furnish, measure
from kfasync.errors import LaneStoppedError
from kfasync.model import Stage

pytestmark = pytest.mark.anyio
AT_ONCE = Plan(lanes=2, fobs=5, card_ms=0, seed=4)


def unsaid(_: int) -> None:
    """Nobody watches."""


async def run(
    directory: Path,
    plan: Plan,
    loop: str,
    seen: list[FobTimes],
    patience_s: float = PATIENCE_S,
) -> Report:
    loaded = furnish(directory, plan, unsaid)
    return await measure(loaded, plan, loop, seen.append, patience_s=patience_s)


async def test_every_fob_is_measured_once_and_passes(
    tmp_path: Path, anyio_backend_name: str
) -> None:
    seen: list[FobTimes] = []
    report = await run(tmp_path, AT_ONCE, anyio_backend_name, seen)
    assert (report.passed, report.failed) == (5, 0)
    assert list(report.fobs) == seen
    assert len({fob.uid for fob in seen}) == 5
    assert {fob.reader for fob in seen} == {"simulated 00", "simulated 01"}
    assert report.conditions.loop == anyio_backend_name
    assert list(report.stages()) == [PLACED, *(stage.value for stage in Stage), RESULT, FOB]
    # What is not modelled is no card time, though exchanges take their time all the same.
    assert report.efficiency == 0
    assert 0 < report.efficiency_measured < 1
    assert report.cpu_ms_per_fob > 0


async def test_the_parts_of_a_fob_are_the_whole_of_it(
    tmp_path: Path, anyio_backend_name: str
) -> None:
    plan = Plan(lanes=1, fobs=2, card_ms=40)
    report = await run(tmp_path, plan, anyio_backend_name, [])
    for fob in report.fobs:
        assert sum(span.took_s for span in fob.spans) == pytest.approx(fob.lane_s)
        # Signatures of other sizes make another fob a byte or two longer.
        assert fob.model_s == pytest.approx(0.04, rel=0.01)
        assert fob.card_s >= fob.model_s
        assert fob.lane_s > fob.card_s
    assert 0 < report.efficiency < report.efficiency_measured < 1


async def test_a_fob_on_nfc_takes_as_long_as_the_documents_say(
    tmp_path: Path, anyio_backend_name: str
) -> None:
    report = await run(tmp_path, Plan(lanes=1, fobs=1), anyio_backend_name, [])
    assert report.model_ms == pytest.approx(578, abs=1)


async def test_the_same_seed_has_the_same_fobs(tmp_path: Path, anyio_backend_name: str) -> None:
    reports = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        plan = Plan(lanes=1, fobs=2, card_ms=0, seed=seed)
        reports.append(await run(tmp_path / name, plan, anyio_backend_name, []))
    first, second, other = ([fob.uid for fob in report.fobs] for report in reports)
    assert first == second
    assert set(first).isdisjoint(other)


@pytest.mark.parametrize(
    ("announce", "prefetch", "wait"), [(False, False, 60), (False, True, 60), (True, True, 0)]
)
async def test_a_lease_is_waited_for_as_long_as_the_bound_says(
    tmp_path: Path, anyio_backend_name: str, announce: bool, prefetch: bool, wait: float
) -> None:
    plan = Plan(
        lanes=1,
        fobs=4,
        card_ms=200,
        source="stub",
        klms_ms=60,
        commit_ms=60,
        announce=announce,
        prefetch=prefetch,
    )
    report = await run(tmp_path, plan, anyio_backend_name, [])
    assert report.passed == 4
    leases = [one for one in report.requests if one.is_lease]
    assert len(leases) == plan.lanes + plan.fobs
    assert all(one.ended_s - one.began_s >= 0.06 for one in leases)
    hidden = report.fobs[0].opening_s
    assert hidden == pytest.approx(0.2 * 38 / 578, rel=0.1)
    expected = (wait / 1000 - hidden * prefetch) if wait else 0.0
    assert report.bound == pytest.approx(0.2 / (0.2 + expected), rel=0.01)
    assert report.efficiency <= report.bound
    assert report.klms_wait is not None
    for fob in report.fobs if not announce else ():
        # From when the card has said its UID; what is hidden is as long as commands really took.
        spans = {span.stage: span for span in fob.spans}
        read, fetched = spans[Stage.READ_UID.value], spans[Stage.FETCH_KEYS.value].took_s
        hidden_s = spans[Stage.INITIALIZE_UPDATE.value].took_s if prefetch else 0.0
        assert read.took_s - read.card_s + hidden_s + fetched >= 0.06
    told = [uid for one in report.requests if not one.is_lease for uid in one.uids]
    assert {fob.uid for fob in report.fobs[:-1]} <= set(told)


async def test_what_is_announced_in_disorder_is_measured_all_the_same(
    tmp_path: Path, anyio_backend_name: str
) -> None:
    plan = Plan(
        lanes=2,
        fobs=10,
        card_ms=20,
        source="stub",
        klms_ms=10,
        announce=True,
        disorder=True,
        seed=5,
    )
    report = await run(tmp_path, plan, anyio_backend_name, [])
    assert report.passed == 10
    asked = {uid for one in report.requests if one.is_lease for uid in one.uids}
    # Somebody was announced who never came, and got a lease ahead all the same.
    assert asked > {fob.uid for fob in report.fobs}


async def test_it_ends_when_lanes_stop(tmp_path: Path, anyio_backend_name: str) -> None:
    loaded = furnish(tmp_path, AT_ONCE, unsaid)
    containers = sorted((tmp_path / "containers").iterdir())
    for container in containers[AT_ONCE.lanes + 1 :]:
        shutil.rmtree(container)
    seen: list[FobTimes] = []
    with pytest.raises(BaseExceptionGroup) as caught:
        await measure(loaded, AT_ONCE, anyio_backend_name, seen.append)
    # One error, though both lanes may have stopped at once.
    (error,) = caught.value.exceptions
    assert isinstance(error, LaneStoppedError)
    assert "no container is free" in str(error)
    assert any("no container is free" in fob.fault for fob in seen)


async def test_it_ends_when_lanes_say_nothing(tmp_path: Path, anyio_backend_name: str) -> None:
    with anyio.fail_after(60), pytest.raises(BaseExceptionGroup) as caught:
        await run(tmp_path, AT_ONCE, anyio_backend_name, [], patience_s=0)
    (error,) = caught.value.exceptions
    assert isinstance(error, LaneStoppedError)


async def test_fobs_that_fail_to_warm_up_are_no_measurement(
    tmp_path: Path, anyio_backend_name: str
) -> None:
    loaded = furnish(tmp_path, Plan(lanes=1, fobs=1), unsaid)
    for container in (tmp_path / "containers").iterdir():
        shutil.rmtree(container)
    seen: list[FobTimes] = []
    with pytest.raises(BaseExceptionGroup) as caught:
        await measure(loaded, Plan(lanes=1, fobs=1), anyio_backend_name, seen.append)
    (error,) = caught.value.exceptions
    assert isinstance(error, LaneStoppedError)
    assert "simulated 00" in str(error)


def test_content_is_made_in_batches_and_all_of_it(tmp_path: Path) -> None:
    plan, batches = Plan(lanes=1, fobs=501), list[int]()
    furnish(tmp_path, plan, batches.append)
    assert batches == [500, 2]
    assert len(list((tmp_path / "containers").iterdir())) == plan.containers
