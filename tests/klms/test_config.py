from pathlib import Path

import pytest

from kfasync.errors import ConfigError
from kfasync.klms.config import load
from kfasync.klms.kdf3 import UidPadding

SERVER = '[server]\ncertificate = "s.pem"\nkey = "s.key"\nca = "ca.pem"\n'
MINIMAL = SERVER + '[keys]\nmaster = "m"\n'


def write(path: Path, text: str) -> Path:
    path = path / "klms.toml"
    path.write_text(text)
    return path


def test_little_is_needed_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, MINIMAL))
    assert loaded.pool == tmp_path / "pool.sqlite"
    assert loaded.tls.certificate == tmp_path / "s.pem"
    assert loaded.tls.crl is None
    assert loaded.config.keys.uid_padding is UidPadding.RAW


def test_a_revocation_list_is_used_when_it_is_named(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, SERVER + 'crl = "crl.pem"\n[keys]\nmaster = "m"\n'))
    assert loaded.tls.crl == tmp_path / "crl.pem"


@pytest.mark.parametrize(
    ("text", "key", "sentence"),
    [
        (MINIMAL + "kvm = 1\n", "keys.kvm", "klms.toml line 7: keys.kvm: "),
        (MINIMAL + "kvn = 256\n", "keys.kvn", "klms.toml line 7: keys.kvn: "),
        (MINIMAL + 'uid_padding = "up"\n', "keys.uid_padding", "Invalid enum value 'up'"),
        (MINIMAL + "[lease]\nttl_s = 0\n", "lease.ttl_s", "line 8"),
        (MINIMAL + "[hms]\n", "hms", "unknown field `hms`"),
        ('[server]\nkey = "k"\n', "server.certificate", "line 1: server.certificate: "),
        ("", "server", "missing required field `server`"),
        (SERVER, "keys.master", "name one of the two"),
        ("[server", "", "not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, text: str, key: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        load(write(tmp_path, text))
    assert caught.value.key == key
    assert "\n" not in str(caught.value)


def test_master_and_token_are_one_too_many(tmp_path: Path) -> None:
    hsm = '[hsm]\nmodule = "m"\ntoken = "t"\nlabel = "l"\npin_file = "p"\n'
    with pytest.raises(ConfigError, match="name one of the two"):
        load(write(tmp_path, MINIMAL + hsm))
    assert load(write(tmp_path, SERVER + hsm)).config.hsm is not None


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`kfasync klms init` makes one"):
        load(tmp_path / "klms.toml")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "klms.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load(tmp_path / "klms.toml")
