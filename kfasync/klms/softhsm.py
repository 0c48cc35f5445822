"""A token of SoftHSM2 for development: its configuration, the token, and the master key in it.

Debian's package `softhsm2` has the library and the one tool that makes a token. All files are in
a directory of ours, and nothing of the machine's own SoftHSM is touched.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pkcs11
from pkcs11.exceptions import PKCS11Error

from kfasync.errors import ConfigError
from kfasync.klms.hsm import SOFTHSM_CONF, open_session
from kfasync.klms.kdf3 import KEY_SIZES
from kfasync.secret import Secret

_MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),  # Debian
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),  # Fedora
    Path("/usr/local/lib/softhsm/libsofthsm2.so"),
)
_TOOL = "softhsm2-util"
_TOOL_TIMEOUT_S = 30
CONF = "softhsm2.conf"


def find() -> Path | None:
    """The library, where library and tool are both installed."""
    if shutil.which(_TOOL) is None:
        return None
    return next((path for path in _MODULES if path.exists()), None)


def make_token(directory: Path, label: str, *, pin: str, so_pin: str) -> Path:
    """Make a token in a directory, and return SoftHSM's configuration file for it.

    The tool takes the PINs as arguments, so they are in the list of processes for a moment: they
    are good for nothing without the files of this directory.

    Raises:
        ConfigError: the tool failed.
    """
    tokens = directory / "tokens"
    tokens.mkdir(mode=0o700, parents=True)
    conf = directory / CONF
    conf.write_text(f"directories.tokendir = {tokens.resolve()}\nobjectstore.backend = file\n")
    command = [_TOOL, "--init-token", "--free", "--label", label]
    made = subprocess.run(  # noqa: S603  # the tool's arguments are ours
        [*command, "--pin", pin, "--so-pin", so_pin],
        env={**os.environ, SOFTHSM_CONF: str(conf)},
        capture_output=True,
        text=True,
        timeout=_TOOL_TIMEOUT_S,
        check=False,
    )
    if made.returncode:
        raise ConfigError("hsm.token", f"{_TOOL} made no token: {made.stderr.strip()}")
    return conf


def make_master_key(
    module: Path, conf: Path, token: str, label: str, pin: str, value: Secret | None = None
) -> None:
    """Put an AES key into a token, from where it cannot be read: this one, or a new one.

    Raises:
        ConfigError: the token refused.
        ValueError: the value is not as long as an AES key; SoftHSM would take it.
    """
    if value is not None and len(value) not in KEY_SIZES:
        raise ValueError(f"a master key has 16, 24 or 32 bytes, not {len(value)}")
    never_out = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
    with open_session(module, token, pin, conf, rw=True) as session:
        try:
            if value is None:
                session.generate_key(
                    pkcs11.KeyType.AES, 256, label=label, store=True, template=never_out
                )
                return
            session.create_object(
                {
                    pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
                    pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.AES,
                    pkcs11.Attribute.TOKEN: True,
                    pkcs11.Attribute.LABEL: label,
                    pkcs11.Attribute.SIGN: True,
                    pkcs11.Attribute.VALUE: bytes(value.expose()),
                    **never_out,
                }
            )
        except PKCS11Error as error:
            raise ConfigError(
                "hsm.label", f"token {token!r} takes no AES key ({type(error).__name__})"
            ) from error
