"""No false pass and no double issue, through the command line and a real pcscd.

The fobs live in threads of the test and are asked at the end what they hold.
"""

from pathlib import Path
from typing import Any

import pytest

from kfasync.sim.applet import Lifecycle
from kfasync.sim.channel import IParam
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import FULL_I_PARAM
from tests.pcscd.counter import Serve, fob, station
from tests.pcscd.floor import (
    kfasync,
)
from tests.station.desks import EXTERNAL_AUTHENTICATE, LAST_BLOCK
from tests.station.test_recovery import COUNTS, holds

LOST = Fault(FaultKind.TORN_AFTER, LAST_BLOCK)


def ends(record: dict[str, Any]) -> tuple[str, str]:
    return record["disposition"], record["cause"]


# ------------------------------------------------------------------------------- recovered


@pytest.mark.parametrize(
    ("when", "begun"),
    [("unknown", True), ("initialize-update", True), ("external-authenticate", False)],
)
def test_torn_after_factory_and_back_at_once(
    tmp_path: Path, serve: Serve, when: str, begun: bool
) -> None:
    config = station(tmp_path / "here", sequence_counter=f'"{when}"')
    one = fob(1, LOST, counts_begun=begun)
    lost, back = serve(config, one), serve(config, one)
    assert (lost["disposition"], back["disposition"]) == ("in-doubt", "recovered")
    assert (lost["fesn"], one.lifecycle) == (back["fesn"], Lifecycle.FACTORY)
    assert one.personalizations == 1


@pytest.mark.parametrize("when", COUNTS)
def test_torn_after_factory_with_a_session_of_ours_in_between(
    tmp_path: Path, serve: Serve, when: str
) -> None:
    config = station(tmp_path / "here", sequence_counter=f'"{when}"')
    one = fob(1, LOST, counts_begun=COUNTS[when])
    serve(config, one)
    one.plan(Fault(FaultKind.TORN_BEFORE, EXTERNAL_AUTHENTICATE))
    records = [serve(config, one) for _ in range(2)]
    assert [record["disposition"] for record in records] == ["in-doubt", "recovered"]


def test_a_fob_that_does_not_count_is_a_persons(tmp_path: Path, serve: Serve) -> None:
    config = station(tmp_path / "here")
    one = fob(1, LOST, i_param=FULL_I_PARAM & ~IParam.PSEUDO_RANDOM_CHALLENGE)
    serve(config, one)
    assert ends(serve(config, one)) == ("in-doubt", "UnprovedError")
    decision = ("--as", "recoverable", "--reason", "nobody else has had it")
    told = kfasync("ledger", "resolve", one.uid.hex(), *decision, "--config", config)
    assert told.returncode == 0, told
    assert serve(config, one)["disposition"] == "recovered"


def test_passed_at_another_station_and_back(tmp_path: Path, serve: Serve) -> None:
    here, there = station(tmp_path / "here"), station(tmp_path / "there")
    one = fob(1, Fault(FaultKind.TORN_BEFORE, LAST_BLOCK))
    assert serve(here, one)["disposition"] == "in-doubt"
    assert serve(there, one)["disposition"] == "pass"
    given = holds(one)
    assert ends(serve(here, one)) == ("in-doubt", "UnprovedError")
    assert holds(one) == given
    assert serve(here, fob(2))["disposition"] == "pass"


@pytest.mark.parametrize("torn", [None, LAST_BLOCK])
def test_a_second_fob_of_the_same_uid(tmp_path: Path, serve: Serve, torn: int | None) -> None:
    config = station(tmp_path / "here")
    first = fob(1, *([Fault(FaultKind.TORN_BEFORE, torn)] if torn else []), sequence_counter=100)
    serve(config, first)
    second = fob(1, sequence_counter=7)
    refused = serve(config, second)
    assert refused["outcome"] == "fail"
    assert refused["cause"] == ("UnitError" if torn else "AlreadyProvisionedError")
    assert second.stored == {}
    if torn:
        assert serve(config, first)["disposition"] == "pass"
