import pytest
from kfasync._kf_core import lib

from kfasync.bench.byhand import keyed
from kfasync.bench.nativefob import NativeFob, cbc, check
from kfasync.bench.software import COPIED
from kfasync.bench.task import task
from kfasync.crypto.choose import choose
from kfasync.crypto.native import tiers
from kfasync.crypto.native.binding import TIERS
from kfasync.errors import CryptoPathError

TASK = task()
COMMANDS = TASK.by_product(choose("cryptography"))
each_tier = pytest.mark.parametrize("tier", tiers())


def fob(tier: str) -> NativeFob:
    choose(f"native-{tier}")  # makes the arena
    return NativeFob(TASK, TIERS[tier])


@each_tier
def test_every_way_of_calling_gives_the_same_commands(tier: str) -> None:
    one = fob(tier)
    assert list(one.objects()()) == COMMANDS
    assert one.by_wrap()() == COMMANDS
    assert one.one_bytes()() == one.whole()() == b"".join(COMMANDS)
    assert one.session()() == COMMANDS[0]


@each_tier
def test_ways_of_calling_do_not_spoil_each_other(tier: str) -> None:
    one = fob(tier)
    works = (one.objects(), one.by_wrap(), one.one_bytes(), one.whole(), one.session())
    assert [work() for work in works] == [work() for work in works]


@each_tier
def test_cbc_by_a_call_is_cbc(tier: str) -> None:
    key, icv, plain = bytes(range(16)), bytes(range(16, 32)), bytes(48)
    assert cbc(TIERS[tier], key)(icv, plain) == COPIED.cbc_of(key)(icv, plain)


def test_what_c_refuses_ends_the_measurement() -> None:
    check(lib.KF_OK)
    with pytest.raises(CryptoPathError, match="no instruction"):
        check(lib.KF_E_TIER)
    with pytest.raises(CryptoPathError, match=str(lib.KF_E_STATE)):
        check(lib.KF_E_STATE)


def test_no_slot_is_an_error_and_no_crash() -> None:
    with pytest.raises(CryptoPathError, match="no slot"):
        NativeFob(TASK, 99)


def test_the_static_keys_are_the_tasks() -> None:
    dek = keyed(COPIED, TASK).dek
    assert dek(bytes(16), bytes(16)) == cbc(TIERS[tiers()[0]], bytes(TASK.keys.dek.expose()))(
        bytes(16), bytes(16)
    )
