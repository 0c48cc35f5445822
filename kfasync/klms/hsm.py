"""The master key in a token: PKCS#11 (version 2.40) through python-pkcs11.

python-pkcs11 is an extra: who imports this module expects an ImportError.

One session behind one lock: with a session for each thread SoftHSM 2.6.1 crashes the process.
"""

import contextlib
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, cast

import pkcs11
from pkcs11.exceptions import PKCS11Error
from pkcs11.types import SignMixin

from kfasync.errors import ConfigError, SourceUnavailableError

SOFTHSM_CONF = "SOFTHSM2_CONF"  # where SoftHSM looks for its own configuration


class TokenKey:
    """A :class:`kfasync.klms.kdf3.MasterKey` that never leaves its token.

    Args:
        module: the PKCS#11 library.
        token: label of the token.
        label: of the AES key in it.
        pin: of the user.
        softhsm_conf: SoftHSM's own configuration file; for that library only.

    Raises:
        ConfigError: the module, the token or the key is not there, or the PIN is wrong.
    """

    def __init__(
        self, module: Path, token: str, label: str, pin: str, softhsm_conf: Path | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._session = open_session(module, token, pin, softhsm_conf)
        try:
            key = self._session.get_key(
                object_class=pkcs11.ObjectClass.SECRET_KEY,
                key_type=pkcs11.KeyType.AES,
                label=label,
            )
            self._key = cast(SignMixin, key)  # the type that the binding gives it by CKA_SIGN
            self._size = int(key[pkcs11.Attribute.VALUE_LEN])
        except PKCS11Error as error:
            self._session.close()
            raise ConfigError(
                "hsm.label", f"token {token!r} has no single AES key {label!r} ({_reason(error)})"
            ) from error

    @property
    def key_store(self) -> Literal["memory", "pkcs11"]:
        """In a token."""
        return "pkcs11"

    @property
    def size(self) -> int:
        """In bytes."""
        return self._size

    def cmac(self, message: bytes) -> bytes:
        """AES-CMAC, by the token (CKM_AES_CMAC).

        Raises:
            SourceUnavailableError: the token does not do it, or is gone.
        """
        with self._lock:
            try:
                mac: bytes = self._key.sign(message, mechanism=pkcs11.Mechanism.AES_CMAC)
            except PKCS11Error as error:
                raise SourceUnavailableError(
                    f"the token does not answer ({_reason(error)})"
                ) from error
        return mac

    def close(self) -> None:
        """Log out; a token that is gone has done so."""
        with self._lock, contextlib.suppress(PKCS11Error):
            self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_session(
    module: Path, token: str, pin: str, softhsm_conf: Path | None = None, *, rw: bool = False
) -> pkcs11.Session:
    """Log in as the user.

    Raises:
        ConfigError: the module or the token is not there, or the PIN is wrong.
    """
    changed = softhsm_conf is not None and os.environ.get(SOFTHSM_CONF) != str(softhsm_conf)
    if softhsm_conf is not None:
        if not softhsm_conf.is_file():
            raise ConfigError("hsm.softhsm_conf", f"{softhsm_conf}: there is no such file")
        os.environ[SOFTHSM_CONF] = str(softhsm_conf)
    try:
        library = pkcs11.lib(str(module))
        if changed:
            # SoftHSM reads its configuration when it is initialized.
            library.reinitialize()
    except (PKCS11Error, RuntimeError, OSError) as error:
        raise ConfigError(
            "hsm.module", f"{module}: cannot be loaded as a PKCS#11 module ({_reason(error)})"
        ) from error
    try:
        found = library.get_token(token_label=token)
    except PKCS11Error as error:
        raise ConfigError(
            "hsm.token", f"{module} has no single token {token!r} ({_reason(error)})"
        ) from error
    try:
        return found.open(user_pin=pin, rw=rw)
    except PKCS11Error as error:
        raise ConfigError(
            "hsm.pin_file", f"token {token!r} refuses the PIN ({_reason(error)})"
        ) from error


def _reason(error: Exception) -> str:
    """What the library says, or the name of its code: most of its errors have no text."""
    return str(error) or type(error).__name__
