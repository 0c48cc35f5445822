"""The candidates in Python: pure, `cryptography` in two forms, and the product on either."""

from collections.abc import Iterator
from functools import partial

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.cmac import CMAC

from kfasync.bench.byhand import Cbc, Mac, Primitives, keyed, one_fob, open_session
from kfasync.bench.rounds import Candidate, Family, timed
from kfasync.bench.task import Task
from kfasync.contracts.crypto import CryptoPath
from kfasync.crypto.choose import choose
from kfasync.crypto.openssl import OpensslAes
from kfasync.crypto.pure import PureAes, PureKey

MAC_SIZES = (16, 64, 256)
MAC_KEY = bytes(range(16))


def new_cmac(key: bytes) -> Mac:
    """A CMAC object for each MAC, which is what most programs do."""

    def mac(message: bytes) -> bytes:
        code = CMAC(AES(key))
        code.update(message)
        return code.finalize()

    return mac


def copied_cmac(key: bytes) -> Mac:
    """One CMAC object, keyed once, whose copies do the work."""
    copy = CMAC(AES(key)).copy

    def mac(message: bytes) -> bytes:
        code = copy()
        code.update(message)
        return code.finalize()

    return mac


def kept_cbc(key: bytes) -> Cbc:
    """CBC by one ECB context that is never finalized: quicker than a context for three blocks."""
    encrypt_block = Cipher(AES(key), ECB()).encryptor().update  # noqa: S305  # blocks of CBC

    def cbc(icv: bytes, plain: bytes) -> bytes:
        out = []
        for at in range(0, len(plain), 16):
            block = int.from_bytes(icv, "big") ^ int.from_bytes(plain[at : at + 16], "big")
            icv = encrypt_block(block.to_bytes(16, "big"))
            out.append(icv)
        return b"".join(out)

    return cbc


PURE = Primitives(lambda key: PureKey(key).cmac, lambda key: PureKey(key).encrypt_cbc)
NEW = Primitives(new_cmac, kept_cbc)
COPIED = Primitives(copied_cmac, kept_cbc)

WAYS = (
    ("pure", "pure Python", Family.PURE, PURE),
    ("cryptography-new", "cryptography, a new CMAC each time", Family.CRYPTOGRAPHY, NEW),
    ("cryptography-copied", "cryptography, a keyed CMAC copied", Family.CRYPTOGRAPHY, COPIED),
)


def candidates(task: Task) -> Iterator[Candidate]:
    """Per MAC, per session and per fob."""
    for way, label, family, primitives in WAYS:
        yield from by_hand(way, label, family, primitives, task)
    for name, family in ((PureAes.name, Family.PURE), (OpensslAes.name, Family.CRYPTOGRAPHY)):
        yield product(choose(name), family, task)


def by_hand(
    way: str, label: str, family: Family, primitives: Primitives, task: Task
) -> Iterator[Candidate]:
    """What a script does with these primitives."""
    mac = primitives.mac_of(MAC_KEY)
    for size in MAC_SIZES:
        yield Candidate(f"mac{size}/{way}", label, family, timed(partial(mac, bytes(size))))
    keys = keyed(primitives, task)
    task.check(one_fob(primitives, keys, task), label)
    session = timed(partial(open_session, primitives, keys, task))
    yield Candidate(f"session/{way}", label, family, session)
    fob = timed(partial(one_fob, primitives, keys, task))
    yield Candidate(f"fob/{way}", label, family, fob)


def product(path: CryptoPath, family: Family, task: Task) -> Candidate:
    """What the station itself does for a fob: load the keys, open and wrap, forget them."""
    task.check(task.by_product(path), path.name)
    work = timed(partial(task.by_product, path))
    return Candidate(f"whole/product-{path.name}", f"kfasync, path {path.name}", family, work)
