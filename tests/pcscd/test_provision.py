"""``kfasync provision`` on a real pcscd: one process for one fob, as an integrator calls it."""

import hashlib
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from kfasync.contracts.cards import News
from kfasync.core.identity import GET_UID
from kfasync.crypto.choose import available
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.pcscd import PrivatePcscd
from tests.native_build import reference_provider
from tests.pcsc_fixtures import Place, until
from tests.pcscd.floor import (
    FIXTURE_FESNS,
    Announcing,
    kfasync,
    new_fob,
    provision_json,
    write_config,
    write_provider_config,
)

BLOCK_5 = 9  # after UID, SELECT, INITIALIZE UPDATE and EXTERNAL AUTHENTICATE


@pytest.fixture
def reader(pcscd: PrivatePcscd) -> str:
    return pcscd.reader_names[0]


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_fob_passes_on_either_event_loop(
    tmp_path: Path, reader: str, place: Place, loop: str
) -> None:
    fob = new_fob()
    place(fob, reader)
    config = write_config(tmp_path)
    run = kfasync("provision", "--config", config, "--reader", reader, "--loop", loop)
    assert run.returncode == 0, run.stderr
    assert "PASS" in run.stderr
    assert not run.stdout
    assert fob.personalizations == 1


def test_both_fixture_fobs_pass_one_after_the_other(
    tmp_path: Path, reader: str, place: Place
) -> None:
    config = write_config(tmp_path)
    records = []
    for fob in (new_fob(), new_fob()):
        place(fob, reader)
        code, record = provision_json(config, reader)
        assert (code, record["outcome"], record["observed_state"]) == (0, "pass", "FACTORY")
        assert fob.personalizations == 1
        records.append(record)
    assert [record["fesn"] for record in records] == FIXTURE_FESNS


@pytest.mark.parametrize("path", available())
def test_a_fob_passes_on_every_crypto_path(
    tmp_path: Path, reader: str, place: Place, path: str
) -> None:
    fob = new_fob()
    place(fob, reader)
    config = write_config(tmp_path)
    config.write_text(config.read_text().replace('path = "auto"', f'path = "{path}"'))
    run = kfasync("provision", "--config", config, "--reader", reader, "--json")
    assert (run.returncode, json.loads(run.stdout)["crypto_path"]) == (0, path)
    assert f"crypto path {path}\n" in run.stderr
    assert fob.personalizations == 1


@pytest.mark.parametrize("in_process", [False, True])
def test_fobs_pass_with_content_from_a_vendors_library(
    tmp_path: Path, reader: str, place: Place, in_process: bool
) -> None:
    config = write_provider_config(tmp_path, containers=2, in_process=in_process)
    library, issued = reference_provider(), []
    for _ in FIXTURE_FESNS:
        fob = new_fob()
        place(fob, reader)
        code, record = provision_json(config, reader)
        assert (code, record["observed_state"]) == (0, "FACTORY")
        issued.append(record["fesn"])
        assert record["crypto_path"] == available()[0]
        assert record["provider_sha256"] == hashlib.sha256(library.read_bytes()).hexdigest()
        assert re.fullmatch(r"\S.* \S+", record["provider"])
        assert fob.personalizations == 1
    assert sorted(issued) == FIXTURE_FESNS  # in an order that is the library's affair
    place(new_fob(), reader)
    code, record = provision_json(config, reader)
    assert (code, record["cause"], record["uid"] is None) == (3, "ProviderError", False)
    assert "free" in record["message"]


def test_a_fob_that_passed_is_sent_nothing_more(tmp_path: Path, reader: str, place: Place) -> None:
    fob = new_fob()
    config = write_config(tmp_path)
    place(fob, reader)
    assert provision_json(config, reader)[0] == 0
    before = len(fob.log)
    code, record = provision_json(config, reader)
    assert (code, record["disposition"]) == (1, "already-provisioned")
    assert "already provisioned on 20" in record["message"]
    # The UID is the reader's to tell; nothing else was asked.
    assert [header for header, _ in fob.log[before:]] == [GET_UID[:4]]


def test_a_fob_in_factory_state_fails_with_6985(tmp_path: Path, reader: str, place: Place) -> None:
    fob = new_fob()
    place(fob, reader)
    (tmp_path / "elsewhere").mkdir()
    assert provision_json(write_config(tmp_path / "elsewhere"), reader)[0] == 0
    code, record = provision_json(write_config(tmp_path), reader)
    assert code == 1
    assert record["outcome"] == "fail"
    assert record["stage"] == "PayloadDelivery"
    assert record["sw"] == "6985"
    assert "personalized before" in record["operator_action"]
    assert fob.personalizations == 1


def test_a_wrong_key_set_costs_the_fob_no_try(tmp_path: Path, reader: str, place: Place) -> None:
    fob = new_fob()
    place(fob, reader)
    config = write_config(tmp_path, mac='"00112233445566778899aabbccddeeff"')
    code, record = provision_json(config, reader)
    assert code == 1
    assert record["outcome"] == record["disposition"] == "fail"
    assert record["stage"] == "InitializeUpdate"
    assert record["sw"] is None
    assert record["cause"] == "CryptogramError"
    assert "key set" in record["operator_action"]
    assert fob.tries_left == 10


def test_6581_at_block_5_is_a_defective_fob(tmp_path: Path, reader: str, place: Place) -> None:
    fob = new_fob(Fault(FaultKind.STATUS_WORD, BLOCK_5, sw=0x6581))
    place(fob, reader)
    config = write_config(tmp_path)
    code, record = provision_json(config, reader)
    assert code == 1
    assert record["outcome"] == record["disposition"] == "fail"
    assert record["stage"] == "PayloadDelivery"
    assert record["sw"] == "6581"
    assert "defective" in record["operator_action"]
    # Its content is in quarantine: the next fob gets other content, and this one nothing.
    fesn = record["fesn"]
    code, record = provision_json(config, reader)
    assert (code, record["cause"]) == (1, "UnitRejectedError")
    place(new_fob(), reader)
    code, record = provision_json(config, reader)
    assert code == 0
    assert record["fesn"] != fesn


@pytest.mark.parametrize("other_first", [False, True])
def test_content_stays_with_its_fob_when_the_station_is_killed_in_the_middle_of_it(
    tmp_path: Path, reader: str, place: Place, other_first: bool
) -> None:
    config = write_config(tmp_path)
    fob, other = Announcing(new_fob(), at=BLOCK_5), new_fob()
    card = place(fob, reader)
    command = [sys.executable, "-m", "kfasync", "provision", "--config", str(config)]
    with subprocess.Popen(
        [*command, "--reader", reader], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as station:
        try:
            assert fob.reached.wait(30)
        finally:
            station.kill()
    fob.go_on.set()
    # pcscd resets the fob of a client that died. A fob that were gone by then it would note as
    # absent behind the back of its polling, and the next one might never be announced.
    assert fob.was_reset.wait(30)
    card.remove()
    anyio.run(until, reader, News.EMPTY)

    results = {}
    for each in (other, fob.fob) if other_first else (fob.fob, other):
        place(each, reader)
        code, record = provision_json(config, reader)
        assert (code, record.get("disposition")) == (0, "pass"), record
        results[each.uid] = record["fesn"]
        assert each.personalizations == 1
    # The first in order of serial number was burned for the first fob before the kill.
    assert results == {fob.fob.uid: FIXTURE_FESNS[0], other.uid: FIXTURE_FESNS[1]}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_fob_that_is_being_written_is_finished_and_its_record_printed(
    tmp_path: Path, reader: str, place: Place, number: signal.Signals
) -> None:
    config = write_config(tmp_path)
    fob = Announcing(new_fob(), at=BLOCK_5)
    place(fob, reader)
    command = [sys.executable, "-m", "kfasync", "provision", "--config", str(config), "--json"]
    with subprocess.Popen(
        [*command, "--reader", reader],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as station:
        try:
            assert fob.reached.wait(30)
            station.send_signal(number)
            fob.go_on.set()
            printed, _ = station.communicate(timeout=30)
        finally:
            station.kill()
    assert station.returncode == 0
    record = json.loads(printed)
    assert (record["disposition"], fob.fob.personalizations) == ("pass", 1)


def test_what_was_cut_off_is_asked_for_at_the_next_start(
    tmp_path: Path, reader: str, place: Place
) -> None:
    fob = new_fob(Fault(FaultKind.TORN_BEFORE, BLOCK_5))
    config = write_config(tmp_path)
    place(fob, reader)
    code, record = provision_json(config, reader)
    assert (code, record["disposition"]) == (4, "bound")
    place(new_fob(), reader)
    run = kfasync("provision", "--config", config, "--reader", reader)
    assert f"place fob {fob.uid.hex().upper()} again" in run.stderr
