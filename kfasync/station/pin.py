"""The line lead's PIN: what the configuration keeps of it, and how often it may be tried.

Only a slow hash of it is kept. A PIN is short all the same: who can read the configuration can find
it in a day, and so it opens nothing but what the owner of the data directory may do anyway.
"""

import hashlib
import hmac
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

_FORM = re.compile(r"scrypt:([0-9a-f]{32}):([0-9a-f]{64})")
_PIN = re.compile(r"[0-9]{6,12}")
_COST = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}  # 16 MB and some 40 ms
TRIES = 5
LOCKED_S = 300.0
FILE_NAME = "pin-tries.json"


class _Tries(msgspec.Struct, frozen=True):
    """Wrong ones in a row, and until when none is looked at (seconds since 1970)."""

    wrong: int = 0
    until_s: float = 0.0


def hash_pin(pin: str) -> str:
    """What ``web.lead_pin`` takes.

    Raises:
        ValueError: it is not 6 to 12 digits.
    """
    if not _PIN.fullmatch(pin):
        raise ValueError("a PIN is 6 to 12 digits")
    salt = secrets.token_bytes(16)
    return f"scrypt:{salt.hex()}:{_hash(pin, salt).hex()}"


def require_pin_hash(text: str) -> None:
    """ValueError when it is not of :func:`hash_pin`; what it is, is not repeated."""
    if not _FORM.fullmatch(text):
        raise ValueError("lead_pin is not what `kfasync config pin` prints")


def is_pin(pin: str, kept: str) -> bool:
    """Whether that is the PIN; takes its time, so not on an event loop."""
    salt, digest = _FORM.fullmatch(kept).groups()  # type: ignore[union-attr]  # required before
    return hmac.compare_digest(_hash(pin, bytes.fromhex(salt)), bytes.fromhex(digest))


def _hash(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, **_COST)


class Lockout:
    """Five wrong PINs, from wherever they come, and nobody tries for five minutes; thread-safe.

    A right one begins anew. One that is tried while it is locked is not even looked at. The count
    is on disk before a PIN is looked at: nobody gets more tries by killing the process.

    Args:
        directory: the data directory, where the count is kept.
        clock: seconds since 1970.
    """

    def __init__(self, kept: str, directory: Path, clock: Callable[[], float] = time.time) -> None:
        self._kept = kept
        self._path = directory / FILE_NAME
        self._clock = clock
        self._lock = threading.Lock()  # also so that nobody tries many at a time

    def check(self, pin: str) -> str:
        """Try a PIN; "" when it is right, or else a sentence."""
        with self._lock:
            try:
                return self._check(pin)
            except OSError as error:
                return (
                    f"wrong PINs cannot be counted in {self._path} ({error.strerror}), so none is "
                    "tried; let the station write there"
                )

    def _check(self, pin: str) -> str:
        now_s = self._clock()
        tries = self._read()
        left_s = tries.until_s - now_s
        if left_s > LOCKED_S:  # the clock was set back, and this would last for as long as that
            left_s = LOCKED_S
            self._write(_Tries(0, now_s + LOCKED_S))
        if left_s > 0:
            return f"too many wrong PINs: wait {max(left_s / 60, 1):.0f} min"
        wrong = tries.wrong + 1
        locks = wrong >= TRIES
        self._write(_Tries(0, now_s + LOCKED_S) if locks else _Tries(wrong))
        if is_pin(pin, self._kept):
            self._write(_Tries())
            return ""
        if locks:
            return f"wrong PIN for the {TRIES}th time: wait {LOCKED_S / 60:.0f} minutes"
        return f"wrong PIN; tries left: {TRIES - wrong}"

    def _read(self) -> _Tries:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Tries)
        except FileNotFoundError:
            return _Tries()
        except msgspec.DecodeError:
            return _Tries(TRIES - 1)  # whoever has spoilt it has gained nothing

    def _write(self, tries: _Tries) -> None:
        fresh = self._path.with_name(f"{FILE_NAME}.new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(tries))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
