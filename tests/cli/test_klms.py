import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import Run
from tests.klms.token import PIN
from tests.klms.world import WAIT_S, Recipient, ServerProcess, fresh_key
from tests.pcscd.floor import FIXTURES

CONTAINERS = FIXTURES / "containers"


@pytest.fixture
def dev(run: Run, tmp_path: Path) -> Path:
    directory = tmp_path / "dev"
    assert run("klms", "init", directory, "--no-token", "--port", "0").code == 0
    return directory


def test_from_init_to_a_released_fob(run: Run, dev: Path) -> None:
    config = ("--config", dev / "klms.toml")
    ended = run("klms", "import", CONTAINERS, *config)
    assert (ended.code, ended.out) == (0, "2 imported into jcop4-fob; 2 free\n")
    again = run("klms", "import", CONTAINERS, *config)
    assert again.code == 3
    assert "nothing was imported: 2 of 2 packages are in the pool already" in again.err
    with ServerProcess(dev) as server, server.client() as station:
        body = Recipient().request("04A1A1A1", profile="jcop4-fob", ttl_s=1)
        lease = station.post("/v1/leases", json=body, headers=fresh_key())
        assert lease.status_code == 201
        listed = run("klms", "open", *config, "--longer-than-s", "0")
        assert "04A1A1A1 A000000857  jcop4-fob" in listed.out
        assert "open at EOL-01, not known to be touched" in listed.out
        assert "1 open for more than 0 s" in listed.out
    release = ("klms", "release", "04a1a1a1", "A000000857", *config)
    assert run(*release, "--reason", " ").code == 2
    for _ in range(10_000):  # until the lease has expired, a second after it was given
        ended = run(*release, "--reason", "fell off the line", "--as", "free")
        if ended.code == 0:
            break
        assert "has not expired yet" in ended.err
    assert ended.out.endswith(" is free\n")
    assert run(*release, "--reason", "twice").code == 3
    assert run("klms", "open", *config).out == "0 open for more than 3600 s\n"


def test_init_says_what_it_made_and_what_comes_next(run: Run, tmp_path: Path) -> None:
    ended = run("klms", "init", tmp_path / "dev", "--station", "A", "--station", "B", "--token")
    assert ended.code == 0, ended.err
    assert "stations A, B" in ended.out
    assert "SoftHSM token 'kfasync-development' with the master key" in ended.out
    assert f"kfasync klms serve --config {tmp_path / 'dev' / 'klms.toml'}" in ended.out
    assert run("klms", "init", tmp_path / "dev").code == 2


def test_a_master_key_may_be_given_and_is_never_shown(run: Run, tmp_path: Path) -> None:
    for number, (text, code) in enumerate((("AB" * 16, 0), ("AB" * 15, 2), ("XY" * 16, 2))):
        (tmp_path / "master").write_text(text)
        arguments = ("--no-token", "--master", tmp_path / "master")
        ended = run("klms", "init", tmp_path / str(number), *arguments)
        assert ended.code == code
        assert text not in ended.out + ended.err
    assert run("klms", "init", tmp_path / "dev", "--master", tmp_path / "none").code == 2


def test_serve_says_where_and_what(dev: Path, run: Run) -> None:
    run("klms", "import", CONTAINERS, "--config", dev / "klms.toml")
    serve = [sys.executable, "-m", "kfasync", "klms", "serve", "--config", str(dev / "klms.toml")]
    with subprocess.Popen(
        [*serve, "--fault", "429=0.25", "--quiet"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        process.terminate()
        assert process.wait(WAIT_S) == 0
    assert lines[0].startswith("reference KLMS on https://127.0.0.1:")
    assert "in the memory of this process" in lines[1]
    assert "jcop4-fob: 2 free, 0 leased, 0 consumed, 0 quarantined" in lines[3]
    assert "429, 25% of the requests" in lines[4]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("serve", "--config", "none.toml"), 2, "`kfasync klms init` makes one"),
        (("open", "--config", "none.toml"), 2, "none.toml: cannot be read"),
    ],
)
def test_bad_input_is_one_sentence(
    run: Run, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    ended = run("klms", *arguments)
    assert ended.code == code
    assert sentence in ended.err
    assert ended.err.count("\n") == 1


def test_an_unknown_fault_is_one_sentence(run: Run, dev: Path) -> None:
    ended = run("klms", "serve", "--config", dev / "klms.toml", "--fault", "fire")
    assert ended.code == 2
    assert "there is no fault 'fire'; choose from latency" in ended.err


def test_a_token_that_is_not_there_and_a_wrong_pin_are_one_sentence(
    run: Run, tmp_path: Path
) -> None:
    directory = tmp_path / "dev"
    assert run("klms", "init", directory, "--token").code == 0
    pin = (directory / "token" / "pin").read_text().strip()
    (directory / "token" / "pin").write_text(PIN)
    ended = run("klms", "open", "--config", directory / "klms.toml")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "refuses the PIN" in ended.err
    (directory / "token" / "pin").write_text(pin)
    assert run("klms", "open", "--config", directory / "klms.toml").code == 0
    text = (directory / "klms.toml").read_text()
    (directory / "klms.toml").write_text(text.replace("kfasync-development", "gone"))
    ended = run("klms", "open", "--config", directory / "klms.toml")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "no single token 'gone'" in ended.err


def test_a_profile_has_a_name_that_a_request_can_say(run: Run, dev: Path) -> None:
    ended = run(
        *("klms", "import", CONTAINERS, "--config", dev / "klms.toml", "--profile", "key fob"),
    )
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "'key fob' cannot name a profile" in ended.err


def test_an_empty_directory_of_containers_is_one_sentence(run: Run, dev: Path) -> None:
    (dev / "none").mkdir()
    ended = run(
        *("klms", "import", dev / "none", "--config", dev / "klms.toml"),
        *("--certificates", FIXTURES / "certificates"),
    )
    assert ended.code == 3
    assert "holds no container" in ended.err
