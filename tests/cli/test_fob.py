import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kfasync.sim.pcscd import PrivatePcscd
from tests.cli.terminal import Run
from tests.pcscd.floor import provision_json, write_config
from tests.processes import as_in_a_terminal


@contextmanager
def serving(pcscd: PrivatePcscd, reader: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A fob on a reader, in a process that is gone afterwards in any case."""
    command = [sys.executable, "-m", "kfasync", "fob", "serve", "--immediate"]
    process = subprocess.Popen(
        [*command, "--port", str(pcscd.port(reader)), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=as_in_a_terminal,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_served_fob_lies_on_its_reader_and_can_be_provisioned_once(
    tmp_path: Path, pcscd: PrivatePcscd
) -> None:
    reader = pcscd.reader_names[1]
    config = write_config(tmp_path, security_level='"33"')
    with serving(pcscd, reader, "--config", str(config), "--uid", "04112233445566") as fob:
        assert fob.stdout is not None
        assert "04112233445566" in fob.stdout.readline()
        code, record = provision_json(config, reader)
        assert (code, record["uid"], record["security_level"]) == (0, "04112233445566", "33")
        code, record = provision_json(config, reader)
        assert (code, record["disposition"]) == (1, "already-provisioned")
        fob.send_signal(signal.SIGINT)
        assert fob.wait(10) == 0
        assert fob.stderr is not None
        assert not fob.stderr.read()


@pytest.mark.parametrize("uid", ["04", "zz", "0411223344556677"])
def test_a_uid_of_another_length_is_refused(run: Run, uid: str) -> None:
    ended = run("fob", "serve", "--uid", uid)
    assert ended.code == 2
    assert "4, 7 or 10 bytes" in ended.err


def test_a_fault_happens_once_and_where_it_was_asked_for(
    tmp_path: Path, pcscd: PrivatePcscd
) -> None:
    reader = pcscd.reader_names[1]
    config = write_config(tmp_path)
    with serving(pcscd, reader, "--fault", "torn-after@15", "--fault", "slow@2=0.01"):
        code, record = provision_json(config, reader)
        assert (code, record["disposition"]) == (4, "in-doubt")
        # It comes back by itself, as if the same fob had been placed again.
        code, again = provision_json(config, reader)
        assert (code, again["disposition"], again["uid"]) == (0, "recovered", record["uid"])


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("torn", "KIND@COMMAND"),
        ("asleep@3", "KIND@COMMAND"),
        ("torn-before@0", "KIND@COMMAND"),
        ("status-word@9", "=6581"),
        ("status-word@9=65811", "=6581"),
        ("slow@9=1.2.3", "seconds"),
    ],
)
def test_a_fault_that_cannot_be_read_is_refused(run: Run, fault: str, sentence: str) -> None:
    ended = run("fob", "serve", "--fault", fault)
    assert ended.code == 2
    assert sentence in ended.err


def test_without_vpcd_it_is_one_sentence(run: Run) -> None:
    ended = run("fob", "serve", "--port", "1")
    assert ended.code == 4
    assert ended.err.startswith("kfasync: ")
    assert ended.err.count("\n") == 1
