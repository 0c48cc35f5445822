import stat
from pathlib import Path

import pkcs11
import pytest

from kfasync.errors import ConfigError
from kfasync.klms import softhsm
from kfasync.klms.hsm import TokenKey
from kfasync.secret import Secret
from tests.klms.token import PIN, make


def test_a_new_key_is_of_256_bits_and_differs_between_tokens(tmp_path: Path) -> None:
    made = [make(tmp_path / name, f"token-{name}") for name in ("one", "two")]
    macs = []
    for one in made:
        with one.open() as key:
            assert key.size == 32
            macs.append(key.cmac(b""))
    assert macs[0] != macs[1]


def test_the_files_of_a_token_are_for_their_owner_only(tmp_path: Path) -> None:
    make(tmp_path / "one", "token-modes")
    assert stat.S_IMODE((tmp_path / "one" / "tokens").stat().st_mode) == 0o700


def test_a_key_of_a_wrong_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not 7"):
        make(tmp_path, "token-size", Secret(bytes(7)))


def test_a_tool_that_fails_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="made no token: "):
        softhsm.make_token(tmp_path, "token", pin="1", so_pin="1")


def test_the_key_cannot_be_read(tmp_path: Path) -> None:
    made = make(tmp_path, "token-sealed", Secret(bytes(range(16))))
    with made.session() as session:
        (key,) = session.get_objects({pkcs11.Attribute.LABEL: made.label})
        with pytest.raises(pkcs11.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]
        assert key[pkcs11.Attribute.SENSITIVE]
        assert not key[pkcs11.Attribute.EXTRACTABLE]


def test_a_wrong_pin_is_one_sentence(tmp_path: Path) -> None:
    made = make(tmp_path, "token-pin")
    with pytest.raises(ConfigError, match="token 'token-pin' refuses the PIN") as caught:
        TokenKey(made.module, made.token, made.label, PIN[::-1], made.conf)
    assert PIN[::-1] not in str(caught.value)
