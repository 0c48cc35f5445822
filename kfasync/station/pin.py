"""The line lead's PIN: what the configuration keeps of it, and how often it may be tried.

Only a slow hash of it is kept. A PIN is short all the same: who can read the configuration can find
it in a day, and so it opens nothing but what the owner of the data directory may do anyway.
"""

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable

_FORM = re.compile(r"scrypt:([0-9a-f]{32}):([0-9a-f]{64})")
_PIN = re.compile(r"[0-9]{6,12}")
_COST = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}  # 16 MB and some 40 ms
TRIES = 5
LOCKED_S = 300.0


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

    A right one begins anew. One that is tried while it is locked is not even looked at.
    """

    def __init__(self, kept: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept = kept
        self._clock = clock
        self._lock = threading.Lock()  # also so that nobody tries many at a time
        self._wrong = 0
        self._until_s = 0.0

    def check(self, pin: str) -> str:
        """Try a PIN; "" when it is right, or else a sentence."""
        with self._lock:
            left_s = self._until_s - self._clock()
            if left_s > 0:
                return f"too many wrong PINs: wait {max(left_s / 60, 1):.0f} min"
            if is_pin(pin, self._kept):
                self._wrong = 0
                return ""
            self._wrong += 1
            if self._wrong < TRIES:
                return f"wrong PIN; tries left: {TRIES - self._wrong}"
            self._wrong, self._until_s = 0, self._clock() + LOCKED_S
            return f"wrong PIN for the {TRIES}th time: wait {LOCKED_S / 60:.0f} minutes"
