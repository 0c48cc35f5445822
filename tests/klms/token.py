"""Tokens of SoftHSM for the tests, each in a directory of its own."""

from pathlib import Path

import msgspec
import pkcs11

from kfasync.klms import softhsm
from kfasync.klms.hsm import TokenKey, open_session
from kfasync.secret import Secret

PIN = "314159"


class MadeToken(msgspec.Struct, frozen=True):
    """What a configuration says of a token."""

    module: Path
    conf: Path
    token: str
    label: str

    def open(self) -> TokenKey:
        """Its key, as the server opens it."""
        return TokenKey(self.module, self.token, self.label, PIN, self.conf)

    def session(self) -> pkcs11.Session:
        """A session of the test's own."""
        return open_session(self.module, self.token, PIN, self.conf)


def make(directory: Path, token: str, value: Secret | None = None) -> MadeToken:
    """A token with one key; labels differ between tests, which share one library."""
    module = softhsm.find()
    assert module is not None, "Debian's softhsm2 is missing; run `sh tools/setup.sh test`"
    conf = softhsm.make_token(directory, token, pin=PIN, so_pin=PIN)
    softhsm.make_master_key(module, conf, token, "kfasync master", PIN, value)
    return MadeToken(module, conf, token, "kfasync master")
