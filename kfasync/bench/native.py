"""The candidates in C: every tier, called as finely and as coarsely as it can be called.

What C measures of itself goes through `native/include/kf_bench.h`. Importing this where the
core was not built is an ImportError.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from kfasync._kf_core import ffi, lib
from kfasync.bench.byhand import Mac, Primitives, keyed, one_fob
from kfasync.bench.nativefob import KEY_SIZE, NativeFob, cbc, check
from kfasync.bench.ratios import AESENC
from kfasync.bench.rounds import Candidate, Family, timed
from kfasync.bench.software import MAC_KEY, MAC_SIZES
from kfasync.bench.task import Task
from kfasync.crypto.native.binding import TIERS


def latency() -> Candidate:
    """One round of AES in a chain of rounds; CryptoPathError where no instruction does it."""
    return _inside(AESENC, "one AESENC", lib.kf_bench_aesenc)


def wipe() -> Candidate:
    """A slot taken and given back, which wipes it."""
    return _inside("wipe/raw", "C, a slot taken and given back", lib.kf_bench_wipe)


def candidates(task: Task, tier: str, *, finely: bool) -> Iterator[Candidate]:
    """Everything of one tier, whose arena has been made.

    Args:
        finely: also the ways of calling that are worse than one call for a fob.
    """
    fob = NativeFob(task, TIERS[tier])
    yield from _raw(fob, task, tier)
    mac = _mac_of(TIERS[tier])(MAC_KEY)
    _check(fob, task, tier)
    works: list[tuple[str, str, Callable[[], object]]] = [
        (f"mac{size}/native-{tier}", "one call", partial(mac, bytes(size))) for size in MAC_SIZES
    ]
    works += [
        (f"session/native-{tier}", "one call", fob.session()),
        (f"fob/native-{tier}", "one call, 12 bytes objects", fob.objects()),
        (f"fob/native-{tier}-one-bytes", "one call, one bytes object", fob.one_bytes()),
        (f"whole/native-{tier}", "four calls, one bytes object", fob.whole()),
    ]
    if finely:
        primitives = Primitives(_mac_of(TIERS[tier]), partial(cbc, TIERS[tier]))
        by_mac = partial(one_fob, primitives, keyed(primitives, task), task)
        works += [
            (f"fob/native-{tier}-wraps", "a call a command", fob.by_wrap()),
            (f"fob/native-{tier}-macs", "a call a MAC", by_mac),
        ]
    for name, words, work in works:
        yield Candidate(name, f"native {tier}, {words}", Family.NATIVE, timed(work))


def _check(fob: NativeFob, task: Task, tier: str) -> None:
    for ways in (fob.objects(), fob.by_wrap()):
        task.check(ways(), tier)
    for way in (fob.one_bytes(), fob.whole()):
        task.check([way()], tier)


def _raw(fob: NativeFob, task: Task, tier: str) -> Iterator[Candidate]:
    """What C measures of itself, without a word of Python in between."""
    number, label = TIERS[tier], f"C, {tier}, no Python"
    lengths = ffi.new("uint32_t[]", task.mac_lengths)
    chain = partial(lib.kf_bench_chain, number, KEY_SIZE, lengths, len(lengths))
    yield _inside(f"chain/raw-{tier}", label, chain)
    yield _inside(f"whole/raw-{tier}", label, fob.raw)
    for size in MAC_SIZES:
        mac = partial(lib.kf_bench_cmac, number, KEY_SIZE, size)
        # None of these waits for the one before, so that the CPU works on several at a time.
        yield _inside(f"mac{size}/raw-{tier}", f"{label}, many at a time", mac)


def _inside(name: str, label: str, bench: Callable[[int, Any], int]) -> Candidate:
    """A candidate that is timed in C; CryptoPathError where this CPU cannot do it."""
    best = ffi.new("double *")

    def sample(calls: int) -> float:
        check(bench(calls, best))
        took: float = best[0]
        return took

    sample(1)
    return Candidate(name, label, Family.NATIVE, sample)


def _mac_of(tier: int) -> Callable[[bytes], Mac]:
    """CMAC by one call each, which expands the key each time."""
    out = ffi.new("uint8_t[16]")
    taken = ffi.buffer(out)

    def mac_of(key: bytes) -> Mac:
        def mac(message: bytes) -> bytes:
            check(lib.kf_cmac(tier, key, len(key), message, len(message), out))
            code: bytes = taken[:]
            return code

        return mac

    return mac_of
