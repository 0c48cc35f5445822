import os
from pathlib import Path

from kfasync.acceptance.trial import Trial, files, threads
from tests.acceptance.examined import job

JOB = job(Path("/nowhere.so"), {"state": "x"})


def test_every_act_of_a_check_makes_up_the_same_units() -> None:
    one, other = Trial(JOB, "a-check"), Trial(JOB, "a-check", "testimony")
    assert [one.unit() for _ in range(3)] == [other.unit() for _ in range(3)]


def test_no_unit_is_made_up_twice() -> None:
    trials = [Trial(JOB, name) for name in ("a", "b", "c")]
    assert len({trial.unit().uid for trial in trials for _ in range(50)}) == 150


def test_the_configuration_is_json() -> None:
    assert Trial(JOB, "a-check").config == b'{"state":"x"}'


def test_an_open_file_is_counted() -> None:
    before = files()
    descriptor = os.open(os.devnull, os.O_RDONLY)
    assert files() == before + 1
    os.close(descriptor)
    assert threads() >= 1
