import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC

from kfasync.errors import ConfigError, SourceUnavailableError
from kfasync.klms.hsm import TokenKey
from kfasync.klms.kdf3 import Kdf3, UidPadding
from kfasync.secret import Secret
from tests.klms.test_kdf3 import PUBLISHED, by_hand, values
from tests.klms.token import PIN, make

MASTER = bytes(range(0x40, 0x50))


def test_the_token_derives_what_is_published(tmp_path: Path) -> None:
    for number, vector in enumerate(PUBLISHED):
        master = Secret.from_hex(vector["master"])
        with make(tmp_path / str(number), f"token-published-{number}", master).open() as key:
            kdf3 = Kdf3(key, kvn=255, padding=UidPadding.RAW, length_field=False)
            keys = kdf3.derive(bytes.fromhex(vector["kdd"]))
        assert {name: k.hex().upper() for name, k in values(keys).items()} == vector[
            "derived_recomputed"
        ]


def test_the_token_derives_with_the_length_field(tmp_path: Path) -> None:
    with make(tmp_path, "token-length", Secret(MASTER)).open() as key:
        assert (key.key_store, key.size) == ("pkcs11", 16)
        kdf3 = Kdf3(key, kvn=255, padding=UidPadding.LEFT, length_field=True)
        derived = values(kdf3.derive(b"\x04\xa1\xb2\xc3"))
    uid = bytes(6) + b"\x04\xa1\xb2\xc3"
    for key_id, name in enumerate(("enc", "mac", "dek"), 1):
        assert derived[name] == by_hand(MASTER, uid, key_id, length=b"\x00\x80")


def test_what_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    made = make(tmp_path, "token-there")
    module, conf = made.module, made.conf
    for arguments, sentence in (
        ((tmp_path / "none.so", "token-there", made.label, PIN, conf), "cannot be loaded"),
        ((module, "token-gone", made.label, PIN, conf), "no single token 'token-gone'"),
        ((module, "token-there", "other key", PIN, conf), "no single AES key 'other key'"),
        ((module, "token-there", made.label, PIN, tmp_path / "no.conf"), "there is no such file"),
    ):
        with pytest.raises(ConfigError, match=sentence) as caught:
            TokenKey(*arguments)
        assert "\n" not in str(caught.value)


def test_a_token_that_is_gone_is_asked_again_later(tmp_path: Path) -> None:
    with make(tmp_path, "token-gone-later").open() as key:
        key.close()
        with pytest.raises(SourceUnavailableError, match="the token does not answer"):
            key.cmac(b"")


def test_what_is_no_pkcs11_module_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("not a library")
    with pytest.raises(ConfigError, match="cannot be loaded as a PKCS#11 module"):
        TokenKey(tmp_path / "text.so", "token", "key", PIN)


# In a process of its own, because a library that crashes takes its process along.
_THREADS = """
import sys, threading, time
from pathlib import Path
from kfasync.klms.hsm import TokenKey
module, token, label, pin, conf, seconds = sys.argv[1:]
ends, counts, wrong = time.monotonic() + float(seconds), [0] * 16, []
with TokenKey(Path(module), token, label, pin, Path(conf)) as key:
    right = key.cmac(b"x")
    def work(number):
        while time.monotonic() < ends:
            counts[number] += 1
            if key.cmac(b"x") != right:
                wrong.append(number)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for one in threads: one.start()
    for one in threads: one.join()
print(right.hex(), min(counts) > 0, not wrong)
"""


def test_sixteen_threads_share_one_session(tmp_path: Path) -> None:
    made = make(tmp_path, "token-threads", Secret(MASTER))
    arguments = [str(made.module), made.token, made.label, PIN, str(made.conf), "10"]
    ran = subprocess.run(
        [sys.executable, "-c", _THREADS, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    mac = CMAC(algorithms.AES(MASTER))
    mac.update(b"x")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.split() == [mac.finalize().hex(), "True", "True"]
