"""What can be said without a fob being written; the rest is in tests/pcscd."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from kfasync.sim.pcscd import SOCKET_VARIABLE, PrivatePcscd
from tests.cli.terminal import Run
from tests.pcsc_fixtures import Place
from tests.pcscd.floor import FIXTURES, kfasync, new_fob, write_config


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_simulated_reader_comes_with_a_fob(run: Run, config: Path, loop: str) -> None:
    ended = run("provision", "--config", config, "--reader", "simulated", "--json", "--loop", loop)
    assert ended.code == 0
    record = json.loads(ended.out)
    assert (record["outcome"], record["reader"]) == ("pass", "simulated")


def test_the_configured_lane_is_the_reader(run: Run, tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text("utf-8") + '\n[[lane]]\nreader = "simulated"\n', "utf-8")
    assert run("provision", "--config", config).code == 0


def test_an_unknown_reader_is_answered_with_those_there_are(
    run: Run, config: Path, pcscd: PrivatePcscd
) -> None:
    ended = run("provision", "--config", config, "--reader", "ACS", "--json")
    assert ended.code == 4
    assert "there is no reader 'ACS'" in ended.err
    assert pcscd.reader_names[3] in ended.err
    answer = json.loads(ended.out)
    assert (answer["outcome"], answer["cause"], answer["exit_code"]) == ("error", "ReaderError", 4)


def test_with_several_readers_one_must_be_named(
    run: Run, config: Path, pcscd: PrivatePcscd
) -> None:
    ended = run("provision", "--config", config)
    assert ended.code == 4
    assert "--reader" in ended.err
    assert pcscd.reader_names[0] in ended.err


def test_waiting_for_a_fob_ends(run: Run, config: Path, pcscd: PrivatePcscd) -> None:
    ended = run(
        "provision", "--config", config, "--reader", pcscd.reader_names[0], "--timeout", "0.1"
    )
    assert ended.code == 4
    assert f"no fob was placed on reader {pcscd.reader_names[0]} within 0.1 s" in ended.err


def test_a_pcscd_that_is_stopped_ends_it_too(run: Run, config: Path, pcscd: PrivatePcscd) -> None:
    os.kill(pcscd.pid, signal.SIGSTOP)
    try:
        ended = run("provision", "--config", config, "--timeout", "0.1")
    finally:
        os.kill(pcscd.pid, signal.SIGCONT)
    assert ended.code == 4
    assert "PC/SC has not answered for 5 s; restart pcscd" in ended.err


def test_without_pcscd_it_is_one_sentence(config: Path) -> None:
    ended = kfasync(
        "provision", "--config", config, environment={SOCKET_VARIABLE: "/nonexistent/pcscd.comm"}
    )
    assert ended.returncode == 4
    assert not ended.stdout
    assert ended.stderr.startswith("kfasync: PC/SC")
    assert ended.stderr.count("\n") == 1


def test_a_second_station_on_one_data_directory_is_refused(
    run: Run, config: Path, tmp_path: Path
) -> None:
    from kfasync.ledger.ledger import Ledger

    ledger = Ledger.open(tmp_path / "var")
    try:
        ended = run("provision", "--config", config, "--reader", "simulated")
    finally:
        ledger.close()
    assert ended.code == 3
    assert "another station" in ended.err


WRONG_CONTENT = {
    "irk_keyfob.key": b"not base64 and not a key",
    "FESN.txt": b"1KM0009Z",
    "keyfob_private.der": b"\x30\x00",
    "keyfob_public.der": (FIXTURES / "certificates" / "ica_cert.der").read_bytes(),
}


@pytest.mark.parametrize("name", [*WRONG_CONTENT, "missing"])
def test_nothing_is_sent_to_a_fob_whose_content_is_wrong(
    run: Run, tmp_path: Path, pcscd: PrivatePcscd, place: Place, name: str
) -> None:
    shutil.copytree(FIXTURES, tmp_path / "content")
    first, second = sorted((tmp_path / "content" / "containers").iterdir())
    kept = second.rename(tmp_path / second.name)
    config = write_config(tmp_path, path=f'"{tmp_path / "content" / "containers"}"')
    if name == "missing":
        wrong = first / "keyfob_public.der"
        wrong.unlink()
    else:
        wrong = first / name
        wrong.write_bytes(WRONG_CONTENT[name])
    fob = new_fob()
    place(fob, pcscd.reader_names[0])
    ended = run("provision", "--config", config, "--reader", pcscd.reader_names[0], "--json")
    assert ended.code == 3
    record = json.loads(ended.out)
    assert (record["outcome"], record["cause"]) == ("error", "SourceError")
    assert str(wrong) in record["message"]
    assert f"container {first.name[:8]} is set aside, and was not issued" in ended.err
    assert "Traceback" not in ended.err
    # The reader was asked who lies on it; the fob itself has heard nothing.
    assert [header for header, _ in fob.log] == [bytes.fromhex("FFCA0000")]
    # With another container it passes, and the damaged one is still told of.
    kept.rename(second)
    ended = run("provision", "--config", config, "--reader", pcscd.reader_names[0], "--json")
    assert (ended.code, json.loads(ended.out)["fesn"]) == (0, second.name[:8])
    assert str(wrong) in ended.err


def test_static_certificates_that_are_foreign_stop_the_station(run: Run, tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "certificates", tmp_path / "certificates")
    wrong = tmp_path / "certificates" / "cms_root_cert.der"
    wrong.write_bytes(b"-----BEGIN CERTIFICATE-----")
    config = write_config(tmp_path, certificates=f'"{wrong.parent}"')
    ended = run("provision", "--config", config, "--reader", "simulated")
    assert ended.code == 3
    assert str(wrong) in ended.err


def test_a_key_set_with_other_check_values_stops_the_station(run: Run, tmp_path: Path) -> None:
    config = write_config(tmp_path, kcv='{ enc = "000000", mac = "000000", dek = "000000" }')
    ended = run("provision", "--config", config, "--reader", "simulated")
    assert ended.code == 2
    assert "static key ENC of key version 255 does not have its key check value" in ended.err
