"""``kfasync ledger``: what is unfinished, and a person's word on it, which is a record."""

import json
from pathlib import Path

import anyio
import pytest

from kfasync.sim.channel import IParam
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import FULL_I_PARAM, SimulatedFob
from kfasync.station.config import LoadedConfig
from tests.cli.terminal import Run
from tests.station.desks import BLOCK_5, LAST_BLOCK, floor, furnish


def records(directory: Path) -> list[dict[str, str]]:
    lines = (directory / "var" / "audit.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


class Line:
    """A station that ran and was stopped, and the fobs that it left."""

    def __init__(self, loaded: LoadedConfig) -> None:
        self.loaded = loaded
        self.bound: SimulatedFob
        self.in_doubt: SimulatedFob

    async def work(self) -> None:
        async with floor(self.loaded) as place:
            self.bound = place.fobs.faulty(FaultKind.TORN_BEFORE, BLOCK_5)
            lost = Fault(FaultKind.TORN_AFTER, LAST_BLOCK)
            uncounted = FULL_I_PARAM & ~IParam.PSEUDO_RANDOM_CHALLENGE
            self.in_doubt = place.fobs.make(lost, i_param=uncounted)
            for fob in (self.bound, self.in_doubt):
                await place.serve("A", fob)

    async def place(self, fob: SimulatedFob) -> str:
        async with floor(self.loaded) as place:
            return (await place.serve("A", fob)).disposition


@pytest.fixture
def line(tmp_path: Path) -> Line:
    made = Line(furnish(tmp_path, containers=3))
    anyio.run(made.work)
    return made


def config_of(line: Line) -> Path:
    return line.loaded.directory / "station.toml"


def test_status_says_what_is_unfinished_and_why(run: Run, line: Line) -> None:
    ended = run("ledger", "status", "--config", config_of(line))
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert [text.split() for text in lines[:3]] == [
        ["free", "1"],
        ["reserved", "0"],
        ["burned", "2"],
    ]
    assert f"bound: fob {line.bound.uid.hex().upper()} has container 1KM0001E" in ended.out
    assert f"in doubt: fob {line.in_doubt.uid.hex().upper()} has container 1KM0001F" in ended.out


def test_a_person_says_that_it_is_recoverable(run: Run, line: Line) -> None:
    uid = line.in_doubt.uid.hex()
    assert anyio.run(line.place, line.in_doubt) == "in-doubt"
    ended = run(
        "ledger", "resolve", uid, "--as", "recoverable", "--reason", "power cut", "--config",
        config_of(line),
    )  # fmt: skip
    assert ended.code == 0
    assert f"fob {uid.upper()}: recoverable (record " in ended.out
    last = records(line.loaded.directory)[-1]
    assert (last["disposition"], last["message"], last["uid"]) == (
        "resolved",
        "power cut",
        uid.upper(),
    )
    assert "recoverable: fob" in run("ledger", "status", "--config", config_of(line)).out
    assert anyio.run(line.place, line.in_doubt) == "recovered"


@pytest.mark.parametrize("which", ["bound", "in_doubt"])
def test_a_person_says_that_it_has_failed(run: Run, line: Line, which: str) -> None:
    fob: SimulatedFob = getattr(line, which)
    arguments = ("--as", "fail", "--reason", "lost", "--config", config_of(line))
    assert run("ledger", "resolve", fob.uid.hex(), *arguments).code == 0
    status = run("ledger", "status", "--config", config_of(line)).out
    assert "quarantined  1" in status
    assert anyio.run(line.place, fob) == "fail"
    assert "failed for good on 20" in records(line.loaded.directory)[-1]["message"]


@pytest.mark.parametrize(
    ("uid", "further", "code", "sentence"),
    [
        ("04FFFFFFFFFFFF", ("--as", "fail", "--reason", "x"), 3, "is not unfinished"),
        ("bound", ("--as", "recoverable", "--reason", "x"), 3, "is bound and not in doubt"),
        ("bound", ("--as", "fail", "--reason", " "), 2, "say why"),
        ("bound", ("--as", "fail"), 2, "--reason"),
        ("bound", ("--as", "pass", "--reason", "x"), 2, "recoverable"),
    ],
)
def test_what_cannot_be_resolved_is_a_sentence(
    run: Run, line: Line, uid: str, further: tuple[str, ...], code: int, sentence: str
) -> None:
    uid = line.bound.uid.hex() if uid == "bound" else uid
    before = records(line.loaded.directory)
    ended = run("ledger", "resolve", uid, *further, "--config", config_of(line))
    assert ended.code == code
    assert sentence in ended.err
    assert records(line.loaded.directory) == before


def test_without_a_ledger_there_is_nothing_to_say(run: Run, tmp_path: Path) -> None:
    loaded = furnish(tmp_path)
    ended = run("ledger", "status", "--config", loaded.directory / "station.toml")
    assert ended.code == 3
    assert "there is no ledger in" in ended.err
    assert not (tmp_path / "var").exists()
