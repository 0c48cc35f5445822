"""SIGKILL at every effect and commit boundary; then the same fob, and another one."""

import os
from pathlib import Path

import msgspec
import pytest

from kfasync.ledger.ledger import FILE_NAME
from kfasync.model import KeySet
from kfasync.sim.applet import Lifecycle
from kfasync.sim.fob import SimulatedFob
from kfasync.station.config import LoadedConfig
from tests.station.desks import furnish, keys_of, sql, uid
from tests.station.kills import Run, provision
from tests.station.test_recovery import COUNTS, holds

# Every so many points are tried: all of them by `make kills`, some in the short form.
STRIDE = int(os.environ.get("KILLS_STRIDE", "7"))
DONE = ("pass", "recovered", "already-provisioned")


def furnished(directory: Path, when: str) -> LoadedConfig:
    edit = {'# sequence_counter = "unknown" ': f'sequence_counter = "{when}" '}
    return furnish(directory, containers=4, edits=edit)


def fob(keys: KeySet, number: int, when: str) -> SimulatedFob:
    return SimulatedFob(uid=uid(number), keys=keys, counts_begun=COUNTS[when])


def records(directory: Path) -> list[dict[str, object]]:
    lines = (directory / "audit.jsonl").read_text("utf-8").splitlines()
    stored = [json for (json,) in sql(directory, "SELECT json FROM record ORDER BY id")]
    assert lines == stored
    return [msgspec.json.decode(line) for line in lines]


def held(one: SimulatedFob) -> tuple[bytes, ...] | None:
    """Private key, SPID and IRK of a fob that is done; None of one that is not."""
    return holds(one) if one.lifecycle is Lifecycle.FACTORY else None


def require_one_content_each(directory: Path, fobs: list[SimulatedFob]) -> None:
    """Every fob is done and has what the ledger says, and no two share any of it."""
    content = [held(one) for one in fobs]
    assert None not in content
    for number, kind in enumerate(("private key", "SPID", "IRK")):
        values = [one[number] for one in content if one is not None]
        assert len(set(values)) == len(values), kind
    rows = dict(sql(directory, "SELECT uid, spid FROM content WHERE state = 'CONSUMED'"))
    assert {one.uid.hex(): holds(one)[1].decode() for one in fobs} == rows


def require_a_record_each(directory: Path, runs: list[Run]) -> None:
    """Of every attempt that knew its fob, whether it was killed or not."""
    assert sql(directory, "SELECT id FROM attempt") == []
    assert len(records(directory)) >= sum(run.identified for run in runs)


def tell(what: str, when: str, points: int) -> None:
    tried = len(range(1, points + 1, STRIDE))
    print(f"{what}, counted at {when}: killed at {tried} of {points} points, 0 violations")


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many points a fob that passes goes through."""
    directory = tmp_path_factory.mktemp("whole")
    loaded = furnished(directory, "initialize-update")
    run = provision(directory / "station.toml", fob(keys_of(loaded), 1, "initialize-update"))
    assert (run.disposition, run.killed) == ("pass", False)
    return run.points


@pytest.mark.parametrize("when", COUNTS)
def test_the_same_fob_comes_back_after_the_kill(tmp_path: Path, points: int, when: str) -> None:
    for point in range(1, points + 1, STRIDE):
        directory = tmp_path / str(point)
        directory.mkdir()
        keys = keys_of(furnished(directory, when))
        config, var = directory / "station.toml", directory / "var"
        one = fob(keys, 1, when)
        runs = [provision(config, one, point), provision(config, one)]
        assert runs[0].killed, point
        assert runs[1].disposition in DONE, (point, runs)
        require_one_content_each(var, [one])
        require_a_record_each(var, runs)
    tell("the same fob", when, points)


@pytest.mark.parametrize("when", COUNTS)
def test_another_fob_comes_after_the_kill_and_then_the_same(
    tmp_path: Path, points: int, when: str
) -> None:
    for point in range(1, points + 1, STRIDE):
        directory = tmp_path / str(point)
        directory.mkdir()
        keys = keys_of(furnished(directory, when))
        config, var = directory / "station.toml", directory / "var"
        first, second = (fob(keys, number, when) for number in (1, 2))
        runs = [provision(config, first, point), provision(config, second)]
        assert runs[0].killed, point
        assert runs[1].disposition == "pass", (point, runs)
        runs.append(provision(config, first))
        assert runs[2].disposition in DONE, (point, runs)
        require_one_content_each(var, [first, second])
        require_a_record_each(var, runs)
    tell("another fob, then the same", when, points)


@pytest.mark.parametrize("when", COUNTS)
def test_killed_again_and_again_until_it_is_done(tmp_path: Path, points: int, when: str) -> None:
    """One fob, killed at a later point each time; the attempts of one ledger add up."""
    keys = keys_of(furnished(tmp_path, when))
    one, runs = fob(keys, 1, when), []
    for point in range(1, points + 1, STRIDE):
        runs.append(provision(tmp_path / "station.toml", one, point))
    runs.append(provision(tmp_path / "station.toml", one))
    assert runs[-1].disposition in DONE, runs
    require_one_content_each(tmp_path / "var", [one])
    require_a_record_each(tmp_path / "var", runs)
    assert (tmp_path / "var" / FILE_NAME).is_file()
