"""Content goes to one fob, through the command line and a real pcscd.

The fobs live in threads of the test and are asked at the end what they hold.
"""

import shutil
from pathlib import Path

import msgspec

from kfasync.model import KeySet
from kfasync.secret import Secret
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import SimulatedFob
from tests.native_build import broken_provider
from tests.pcscd.counter import Serve, containers, fob, station
from tests.pcscd.floor import (
    kfasync,
    sample_keys,
    write_provider_config,
)
from tests.station.desks import BLOCK_5, INITIALIZE_UPDATE, uid
from tests.station.test_content import SAME, certify, make_same
from tests.station.test_recovery import holds


def _hostile_keys() -> KeySet:
    """Those that the hostile provider has for every unit."""
    keys = sample_keys()
    enc, mac, dek = (Secret(bytes((0xE0 + tag,)) * 16) for tag in (1, 2, 3))
    return msgspec.structs.replace(keys, enc=enc, mac=mac, dek=dek)


# ------------------------------------------------------------------------------- what it is


def test_the_same_under_two_serial_numbers(tmp_path: Path, serve: Serve) -> None:
    config = station(tmp_path / "here", made=5)
    one, *twins, other = containers(config)
    for twin, what in zip(twins, SAME, strict=True):
        make_same(one, twin, what)
    fobs = [fob(number) for number in (1, 2)]
    fesns = [serve(config, each)["fesn"] for each in fobs]
    assert fesns == [one.name[:8], other.name[:8]]
    for mine, theirs in zip(*map(holds, fobs), strict=True):
        assert mine != theirs
    ended = serve(config, fob(3))
    assert ended["cause"] == "SourceError"
    assert "no container is free; 3 are set aside" in ended["message"]
    status = kfasync("ledger", "status", "--config", config).stdout
    for twin, what in zip(twins, SAME, strict=True):
        assert f"{twin.name[:8]} has the {what} of container {one.name[:8]}" in status


def test_the_same_from_a_library(tmp_path: Path, serve: Serve) -> None:
    """The second unit gets the secrets of the first one, under a serial number of its own."""
    config = write_provider_config(
        tmp_path, containers=2, library=broken_provider("hostile", '-DNAME="twins"')
    )
    text = config.read_text("utf-8").partition("[source.config]")[0]
    config.write_text(
        f'{text}[source.config]\nmisbehave = "twin"\ncall = "lease"\nunit = 2\n', "utf-8"
    )
    first, second = (SimulatedFob(uid=uid(number), keys=_hostile_keys()) for number in (1, 2))
    passed, refused = serve(config, first), serve(config, second)
    assert (passed["disposition"], refused["outcome"]) == ("pass", "error"), passed["message"]
    assert "HOST0002 has the key and IRK of container HOST0001" in refused["message"]
    # Asked who it is and for a session, and no more.
    assert (second.stored, len(second.log)) == ({}, INITIALIZE_UPDATE)


def test_content_that_changed_under_its_name(tmp_path: Path, serve: Serve) -> None:
    config = station(tmp_path / "here", made=2)
    one, two = containers(config)
    bound = fob(1, Fault(FaultKind.TORN_BEFORE, BLOCK_5))
    assert serve(config, bound)["fesn"] == one.name[:8]
    shutil.copytree(one, tmp_path / "original")
    shutil.copy(two / "keyfob_private.der", one)
    certify(one)
    refused = serve(config, bound)
    assert "has changed under its name; put the original back" in refused["message"]
    shutil.rmtree(one)
    shutil.copytree(tmp_path / "original", one)
    assert serve(config, bound)["disposition"] == "pass"
    assert serve(config, fob(2))["fesn"] == two.name[:8]


# ---------------------------------------------------------------------------- its ledger


def test_a_data_directory_of_yesterday(tmp_path: Path, serve: Serve) -> None:
    config = station(tmp_path / "here")
    serve(config, fob(1))
    shutil.copytree(config.with_name("var"), tmp_path / "yesterday")
    second = fob(2)
    serve(config, second)
    shutil.rmtree(config.with_name("var"))
    shutil.copytree(tmp_path / "yesterday", config.with_name("var"))
    third = fob(3)
    refused = serve(config, third)
    assert (refused["cause"], refused["exit_code"]) == ("LedgerError", 3)
    assert third.log == ()
