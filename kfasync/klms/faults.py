"""What goes wrong at the reference KLMS on demand, for those who build stations.

Named on the command line that starts the server; nothing here can be reached over the API.
"""

import enum
import logging
import random
from collections.abc import Iterable, Mapping

from kfasync.errors import ConfigError

_log = logging.getLogger("kfasync.klms")


class Fault(enum.Enum):
    """What can go wrong with one request, or with its answer."""

    LATENCY = "latency"  # the request is held back
    TOO_MANY_REQUESTS = "429"
    UNAVAILABLE = "503"
    CUT_BEFORE = "cut-before"  # the connection is cut, and nothing has been done
    CUT_AFTER = "cut-after"  # all has been done, and the connection is cut
    HUGE = "huge"  # a body of 100 MB
    EXPIRED = "expired"  # ttl_s is 0
    WRONG_SUITE = "wrong-suite"
    WRONG_UID = "wrong-uid"
    CLOCK_OFF = "clock-off"  # an hour
    TRUNCATED = "truncated"  # the sealed block
    BIT_FLIP = "bit-flip"  # in the sealed block


class Faults:
    """What is to go wrong, and how often.

    Args:
        rates: share of the requests, 0 to 1.
        seed: repeats what happens, as long as the requests come in the same order.
        latency_s: how long a request is held back.
        retry_after_s: what 429 and 503 ask for.
        lease_s, ends_s: how long the server takes over every request for a lease, and over every
            one that tells of ends, the work of it included.
    """

    def __init__(
        self,
        rates: Mapping[Fault, float] | None = None,
        *,
        seed: int | None = None,
        latency_s: float = 0.5,
        retry_after_s: int = 1,
        lease_s: float = 0.0,
        ends_s: float = 0.0,
    ) -> None:
        self.latency_s = latency_s
        self.lease_s = lease_s
        self.ends_s = ends_s
        self.retry_after_s = retry_after_s
        self.rates = dict(rates or {})
        self._random = random.Random(seed)  # noqa: S311  # to repeat a run, not to keep a secret

    def strikes(self, fault: Fault) -> bool:
        """Whether it happens now, which is logged; asked once wherever it could."""
        # No draw without a rate: a fault that is off must not move the others' chances.
        rate = self.rates.get(fault, 0.0)
        if rate <= 0 or self._random.random() >= rate:
            return False
        _log.info("fault %s", fault.value)
        return True

    def flip(self, blob: bytes) -> bytes:
        """The same with one bit changed."""
        changed = bytearray(blob)
        bit = self._random.randrange(8 * len(blob))
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)


def parse(texts: Iterable[str]) -> dict[Fault, float]:
    """``NAME`` or ``NAME=RATE``, as they stand on the command line.

    Raises:
        ConfigError: there is no such fault, or the rate is not 0 to 1.
    """
    rates = {}
    for text in texts:
        name, _, rate = text.partition("=")
        try:
            fault = Fault(name)
        except ValueError:
            names = ", ".join(fault.value for fault in Fault)
            raise ConfigError("fault", f"there is no fault {name!r}; choose from {names}") from None
        try:
            rates[fault] = float(rate or "1")
        except ValueError:
            rates[fault] = -1.0
        if not 0 <= rates[fault] <= 1:
            raise ConfigError("fault", f"{text}: the rate is not a number from 0 to 1")
    return rates
