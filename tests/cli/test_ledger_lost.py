"""A pool knows its ledger: lost, swapped, restored and second ones issue nothing twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kfasync.ledger.marker import FILE_NAME as MARKER
from tests.cli.terminal import Ended, Run
from tests.station.desks import furnish, sql

ROOT = Path(__file__).parents[2]
LOST, OTHER, OLDER = "there is no ledger in", "belongs to another ledger", "is older than it was"


class Place:
    """A directory with containers and a configuration, and a station that is tried there."""

    def __init__(self, directory: Path, run: Run) -> None:
        self.directory = directory
        self.var = directory / "var"
        self.containers = directory / "containers"
        self.config = directory / "station.toml"
        self.run = run

    def provision(self) -> Ended:
        arguments = ("--config", self.config, "--reader", "simulated", "--json")
        return self.run("provision", *arguments)

    def passes(self) -> str:
        """Provision a fob; the FESN that it has got."""
        ended = self.provision()
        assert ended.code == 0, ended
        fesn: str = json.loads(ended.out)["fesn"]
        return fesn

    def refuses(self, sentence: str) -> None:
        for _ in range(3):  # being asked again does not make it right
            ended = self.provision()
            assert ended.code == 3, ended
            assert sentence in ended.err
            assert "--take-over" in ended.err
            assert "fesn" not in json.loads(ended.out)

    def issued(self) -> set[str]:
        return {fesn for (fesn,) in sql(self.var, "SELECT fesn FROM content WHERE uid IS NOT NULL")}

    def ledger(self, *arguments: str) -> Ended:
        command, *others = arguments
        return self.run("ledger", command, *others, "--config", self.config)


@pytest.fixture
def place(tmp_path: Path, run: Run) -> Place:
    directory = tmp_path / "station"
    directory.mkdir()
    furnish(directory, containers=6)
    return Place(directory, run)


def test_the_first_start_ties_the_two_without_ceremony(place: Place) -> None:
    place.passes()
    marker = json.loads((place.containers / MARKER).read_text("utf-8"))
    assert marker["data_dir"] == str(place.var)
    assert (marker["starts"], marker["records"]) == (1, 1)
    place.passes()
    marker = json.loads((place.containers / MARKER).read_text("utf-8"))
    assert (marker["starts"], marker["records"]) == (2, 2)


def test_a_data_directory_that_is_lost_is_missed_and_none_is_made(place: Place) -> None:
    place.passes()
    shutil.rmtree(place.var)
    place.refuses(LOST)
    assert not place.var.exists()


def test_a_data_directory_that_was_emptied_is_missed(place: Place) -> None:
    place.passes()
    for path in place.var.iterdir():
        path.unlink()
    place.refuses(LOST)


def test_a_data_directory_that_was_moved_is_found_again(place: Place) -> None:
    first = place.passes()
    place.var.rename(place.directory / "elsewhere")
    place.refuses(LOST)
    text = place.config.read_text("utf-8").replace('data_dir = "var"', 'data_dir = "elsewhere"')
    place.config.write_text(text, "utf-8")
    assert place.passes() != first


def test_two_data_directories_that_were_swapped_are_refused(
    place: Place, tmp_path: Path, run: Run
) -> None:
    second = Place(tmp_path / "second", run)
    second.directory.mkdir()
    furnish(second.directory, containers=6)
    for one in (place, second):
        one.passes()
    place.var.rename(tmp_path / "for a moment")
    second.var.rename(place.var)
    (tmp_path / "for a moment").rename(second.var)
    for one in (place, second):
        one.refuses(OTHER)


def test_a_second_data_directory_over_one_pool_is_refused(place: Place) -> None:
    place.passes()
    text = place.config.read_text("utf-8")
    place.config.write_text(text.replace('data_dir = "var"', 'data_dir = "other"'), "utf-8")
    place.refuses(LOST)
    # One that has issued from other containers is not the right one either.
    other = place.directory / "others"
    shutil.copytree(place.containers, other, ignore=shutil.ignore_patterns(".*"))
    issuing = text.replace('data_dir = "var"', 'data_dir = "other"')
    place.config.write_text(issuing.replace('path = "containers"', 'path = "others"'), "utf-8")
    place.passes()
    place.config.write_text(issuing, "utf-8")
    place.refuses(OTHER)


@pytest.mark.parametrize("kept", ["whole", "without the audit log", "the ledger alone"])
def test_a_copy_of_yesterday_is_refused(place: Place, tmp_path: Path, kept: str) -> None:
    place.passes()
    shutil.copytree(place.var, tmp_path / "yesterday")
    place.passes()
    if kept == "the ledger alone":
        shutil.copy(tmp_path / "yesterday" / "ledger.sqlite3", place.var)
    else:
        shutil.rmtree(place.var)
        shutil.copytree(tmp_path / "yesterday", place.var)
        if kept != "whole":
            (place.var / "audit.jsonl").unlink()
    place.refuses("which the ledger beside it does not" if kept == "the ledger alone" else OLDER)


KILLED = """
import os, signal, sys
import anyio
from pathlib import Path
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.config import load
from kfasync.station.assembly import open_station
from tests.station.desks import keys_of, uid

async def work():
    loaded = load(Path(sys.argv[1]))
    readers = SimulatedReaders(["A"])
    async with open_station(loaded, readers, lambda event: None) as station:
        for number in range(1, int(sys.argv[2]) + 1):
            readers.place("A", SimulatedFob(uid=uid(number), keys=keys_of(loaded)))
            await station.provision("A", 30)
            readers.remove("A")
        os.kill(os.getpid(), signal.SIGKILL)

anyio.run(work)
"""


def test_a_log_of_sqlite_that_is_deleted_after_a_kill_is_missed(place: Place) -> None:
    command = [sys.executable, "-c", KILLED, str(place.config), "2"]
    ended = subprocess.run(command, cwd=ROOT, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    (place.var / "ledger.sqlite3-wal").unlink()
    place.refuses("the ledger was restored from a copy, or a part of it (-wal) was deleted")


def test_a_marker_that_is_deleted_is_made_again_by_its_ledger(place: Place) -> None:
    first = place.passes()
    (place.containers / MARKER).unlink()
    assert place.passes() != first
    assert (place.containers / MARKER).is_file()


def test_a_marker_that_cannot_be_read_is_said(place: Place) -> None:
    place.passes()
    (place.containers / MARKER).write_text("garbage", "utf-8")
    place.refuses("cannot be read")


# --------------------------------------------------------------------------------- by hand


def test_a_person_takes_over_and_frees_what_is_on_no_fob(place: Place) -> None:
    fesns = sorted(path.name.partition("-")[0] for path in place.containers.glob("1*"))
    first = place.passes()
    shutil.rmtree(place.var)
    refused = place.ledger("create")
    assert (refused.code, LOST in refused.err) == (3, True)
    unexplained = place.ledger("create", "--take-over")
    assert (unexplained.code, "say why" in unexplained.err) == (2, True)
    taken = place.ledger("create", "--take-over", "--reason", "the disk broke")
    assert taken.code == 0
    assert "6 containers are set aside" in taken.out
    ended = place.provision()
    assert "no container is free; 6 are set aside" in ended.err
    assert f"set aside: container {fesns[0]}" in place.ledger("status").out
    # Touching its files does not bring it back, only a person does.
    for path in (place.containers).glob(f"{fesns[1]}-*/*"):
        os.utime(path)
    assert place.provision().code != 0
    freed = place.ledger("free", fesns[3], "--reason", "it was never on a fob")
    assert freed.code == 0, freed
    assert place.passes() == fesns[3] != first
    records = [json.loads(line) for line in (place.var / "audit.jsonl").read_text().splitlines()]
    taken_over, freed_one = (
        next(one for one in records if one["disposition"] == what)
        for what in ("taken-over", "freed")
    )
    assert (taken_over["fesns"], taken_over["message"]) == (fesns, "the disk broke")
    assert (freed_one["fesns"], freed_one["message"]) == ([fesns[3]], "it was never on a fob")
    again = place.ledger("free", fesns[3], "--reason", "again")
    assert (again.code, "does not wait for a person" in again.err) == (3, True)
    assert place.ledger("free", "--all", "--reason", "all were looked at").code == 0
    place.passes()


def test_a_restored_ledger_is_taken_over_with_what_it_knows(place: Place, tmp_path: Path) -> None:
    first = place.passes()
    shutil.copytree(place.var, tmp_path / "yesterday")
    second = place.passes()
    shutil.copy(tmp_path / "yesterday" / "ledger.sqlite3", place.var)
    place.refuses("does not")
    taken = place.ledger("create", "--take-over", "--reason", "yesterday's copy is all we have")
    assert taken.code == 0, taken
    assert "5 containers are set aside" in taken.out  # and one is known to be issued
    assert place.issued() == {first}
    (before,) = place.var.glob("audit-until-*.jsonl")
    assert second in before.read_text("utf-8")
    assert "no container is free" in place.provision().err


def test_a_ledger_is_made_by_hand_once(place: Place) -> None:
    made = place.ledger("create")
    assert (made.code, "made in" in made.out) == (0, True)
    again = place.ledger("create")
    assert (again.code, "there is a ledger in" in again.err) == (3, True)
    place.passes()


# Root writes anywhere, unless this is taken from it.
BOUND = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []


def test_a_pool_that_cannot_be_written_needs_a_ledger_made_for_it(place: Place) -> None:
    place.containers.chmod(0o555)

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*BOUND, sys.executable, "-m", "kfasync", *arguments, "--config", str(place.config)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=ROOT,
        )

    refused = command("provision", "--reader", "simulated")
    assert refused.returncode == 3, refused
    assert "make the ledger by `kfasync ledger create` first" in refused.stderr
    shutil.rmtree(place.var)
    assert command("ledger", "create").returncode == 0
    passed = command("provision", "--reader", "simulated")
    assert passed.returncode == 0, passed
    assert not (place.containers / MARKER).exists()
    shutil.rmtree(place.var)
    assert command("provision", "--reader", "simulated").returncode == 3
